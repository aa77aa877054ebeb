#pragma once
// Lists in one column: prefixes separated by spaces, plain texts by line feeds (which plain text cannot contain).

#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/ip.hpp"

namespace sanad::ledger {

std::string join_prefixes(const std::vector<IpPrefix>& prefixes);
std::vector<IpPrefix> split_prefixes(std::string_view text);  // throws std::runtime_error on a corrupt row
std::string join_texts(const std::vector<std::string>& texts);
std::vector<std::string> split_texts(std::string_view text);

}  // namespace sanad::ledger
