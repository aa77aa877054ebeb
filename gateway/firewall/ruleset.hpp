#pragma once
// FirewallPlan -> nft text. Pure.

#include <string>
#include <string_view>

#include "gateway/base/result.hpp"
#include "gateway/firewall/plan.hpp"

namespace sanad::firewall {

// Everything of ours is in this one table; nothing is ever written outside it.
inline constexpr std::string_view kTable = "inet sanad";

// The table as nft 1.0.6 itself lists it (tabs, names of priorities, order), so that a listing can be compared as text.
// Rules stand in the plan's order. A packet between peers is decided here only if it is dropped: "accept" ends our
// chain, and a table of the host's own may still drop it.
// Error: invalid_argument, `field` as in the plan ("nat[1].source"): a name that isn't an interface's, or a pair of mixed
// families.
Result<std::string> table_text(const FirewallPlan& plan);

// One transaction that replaces whatever the table held before: either all of it is in force or nothing has changed.
std::string replace_commands(std::string_view table_text);
// One transaction that removes the table, also when there is none.
std::string remove_commands();

}  // namespace sanad::firewall
