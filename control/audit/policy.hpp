#pragma once
// C2SP tlog-policy files (c2sp.org/tlog-policy): which logs and witnesses count, and how many witnesses are enough. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/note.hpp"
#include "gateway/base/result.hpp"

namespace sanad::audit {

// The specification asks for 32 logs, witnesses and groups at least.
constexpr std::size_t kMaxPolicyBytes = 1U << 20;
constexpr std::size_t kMaxPolicyItems = 1'000;  // of each

struct PolicyLog {
  VerifierKey key;    // its name is the log's origin
  std::string url{};  // empty: none is given; likewise below
  bool operator==(const PolicyLog&) const = default;
};

struct PolicyWitness {
  std::string name;  // inside the policy only
  VerifierKey key;
  std::string url{};
  bool operator==(const PolicyWitness&) const = default;
};

// What a name in a policy stands for.
struct PolicyRef {
  enum class Kind : std::uint8_t { witness, group };
  Kind kind = Kind::witness;
  std::size_t index = 0;  // into Policy::witnesses or Policy::groups
  bool operator==(const PolicyRef&) const = default;
};

struct PolicyGroup {
  std::string name;
  std::size_t threshold = 1;       // 1..members.size()
  std::vector<PolicyRef> members;  // groups only from before this one; nobody is a member twice anywhere
  bool operator==(const PolicyGroup&) const = default;
};

struct Policy {
  std::vector<PolicyLog> logs{};
  std::vector<PolicyWitness> witnesses{};
  std::vector<PolicyGroup> groups{};
  std::optional<PolicyRef> quorum{};  // nothing: "quorum none"
  bool operator==(const Policy&) const = default;
};

// Errors: invalid_argument, naming the line.
Result<Policy> parse_policy(std::string_view text);
// What parse_policy() reads back to the same value.
std::string policy_text(const Policy& policy);

// The usual shape: `needed` of the witnesses, in one group; no witnesses: "quorum none". `needed` is 1..witnesses.size().
Policy simple_policy(std::vector<PolicyLog> logs, std::vector<PolicyWitness> witnesses, std::size_t needed);

// The number of records that the quorum vouches for, when witness i vouches for the first sizes[i] (0: none). A witness that has
// cosigned a tree has seen that it grew out of each smaller one, so whoever vouches for more records vouches for fewer.
// `sizes` has an entry for each witness. Nothing: the policy asks for no witness.
std::optional<std::uint64_t> quorum_size(const Policy& policy, std::span<const std::uint64_t> sizes);

}  // namespace sanad::audit
