#include "control/audit/policy.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "control/audit/decimal.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kNone = "none";

// Words of one line, or nothing when it is empty or a comment.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    if (words.empty() && line.front() == '#') return words;
    const std::size_t end = line.find_first_of(" \t");
    words.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return words;
    line.remove_prefix(end);
  }
}

bool has_control_characters(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

// Safe to print: octets above ASCII are opaque to a policy and may be anything.
std::string shown(std::string_view word) {
  std::string text(word.substr(0, 80));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return "\"" + text + "\"";
}

Error refused(std::string why) { return {Errc::invalid_argument, std::move(why)}; }

class Reader final {
 public:
  Result<void> line(std::string_view text) {
    if (has_control_characters(text)) return refused("control characters other than tab");
    const auto words = words_of(text);
    if (words.empty()) return {};
    if (words[0] == "log") return log(words);
    if (words[0] == "witness") return witness(words);
    if (words[0] == "group") return group(words);
    if (words[0] == "quorum") return quorum(words);
    return refused(shown(words[0]) + " is not one of log, witness, group and quorum");
  }
  Result<Policy> finish() {
    if (!quorum_seen_) return refused("no quorum line; without witnesses it is \"quorum none\"");
    return std::move(policy_);
  }

 private:
  using Words = std::vector<std::string_view>;

  Result<VerifierKey> key(std::string_view text, KeyType type, std::set<Ed25519Public>& seen) {
    auto key = parse_vkey(text);
    if (!key) return refused(std::move(key).error().message);
    if (key->type != type) {
      return refused(type == KeyType::ed25519 ? "a log's key is of type Ed25519 (1); this is a witness's (4)"
                                              : "a witness's key is of type cosignature/v1 (4); this is a log's (1)");
    }
    if (!seen.insert(key->key).second) return refused("the same key a second time");
    return key;
  }

  Result<void> log(const Words& words) {
    if (words.size() < 2 || words.size() > 3) return refused("expected: log VKEY [URL]");
    if (policy_.logs.size() == kMaxPolicyItems) return refused("too many logs");
    auto vkey = key(words[1], KeyType::ed25519, log_keys_);
    if (!vkey) return std::move(vkey).error();
    policy_.logs.push_back({*std::move(vkey), std::string(words.size() > 2 ? words[2] : "")});
    return {};
  }

  Result<void> define(std::string_view name, PolicyRef ref) {
    if (name == kNone) return refused("the name \"none\" has a meaning of its own");
    if (!names_.emplace(name, ref).second) return refused(shown(name) + " is defined already");
    return {};
  }

  Result<void> witness(const Words& words) {
    if (words.size() < 3 || words.size() > 4) return refused("expected: witness NAME VKEY [URL]");
    if (policy_.witnesses.size() == kMaxPolicyItems) return refused("too many witnesses");
    auto vkey = key(words[2], KeyType::cosignature_v1, witness_keys_);
    if (!vkey) return std::move(vkey).error();
    if (auto done = define(words[1], {PolicyRef::Kind::witness, policy_.witnesses.size()}); !done) return done;
    policy_.witnesses.push_back({std::string(words[1]), *std::move(vkey), std::string(words.size() > 3 ? words[3] : "")});
    return {};
  }

  Result<PolicyRef> find(std::string_view name) const {
    const auto found = names_.find(name);
    if (found == names_.end()) return refused(shown(name) + " is not defined on a line before");
    return found->second;
  }

  Result<void> group(const Words& words) {
    if (words.size() < 4) return refused("expected: group NAME all|any|K MEMBER...");
    if (policy_.groups.size() == kMaxPolicyItems) return refused("too many groups");
    PolicyGroup group{std::string(words[1]), 0, {}};
    for (auto word = words.begin() + 3; word != words.end(); ++word) {
      if (*word == kNone) return refused("\"none\" cannot be a member");
      const auto member = find(*word);
      if (!member) return member.error();
      if (!members_.insert(std::string(*word)).second) return refused(shown(*word) + " is a member already");
      group.members.push_back(*member);
    }
    const auto threshold = words[2] == "all"   ? group.members.size()
                           : words[2] == "any" ? std::size_t{1}
                                               : parse_decimal(words[2], group.members.size()).value_or(0);
    if (threshold == 0) {
      return refused("expected all, any or a number from 1 to " + std::to_string(group.members.size()) + ", found " +
                     shown(words[2]));
    }
    group.threshold = threshold;
    if (auto done = define(words[1], {PolicyRef::Kind::group, policy_.groups.size()}); !done) return done;
    policy_.groups.push_back(std::move(group));
    return {};
  }

  Result<void> quorum(const Words& words) {
    if (words.size() != 2) return refused("expected: quorum NAME");
    if (std::exchange(quorum_seen_, true)) return refused("a second quorum line");
    if (words[1] == kNone) return {};
    const auto named = find(words[1]);
    if (!named) return named.error();
    policy_.quorum = *named;
    return {};
  }

  Policy policy_;
  std::map<std::string, PolicyRef, std::less<>> names_;
  std::set<std::string, std::less<>> members_;  // names that are a member of some group
  std::set<Ed25519Public> log_keys_, witness_keys_;
  bool quorum_seen_ = false;
};

const std::string& name_of(const Policy& policy, const PolicyRef& ref) {
  return ref.kind == PolicyRef::Kind::witness ? policy.witnesses[ref.index].name : policy.groups[ref.index].name;
}

}  // namespace

Result<Policy> parse_policy(std::string_view text) {
  if (text.size() > kMaxPolicyBytes) return refused("a policy has at most " + std::to_string(kMaxPolicyBytes) + " bytes");
  Reader reader;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    auto done = end == std::string_view::npos ? Result<void>(refused("it does not end with a newline"))
                                              : reader.line(text.substr(0, end));
    if (!done) return std::move(done).error().within("line " + std::to_string(number));
    text.remove_prefix(end + 1);
  }
  return reader.finish();
}

std::string policy_text(const Policy& policy) {
  const auto with_url = [](std::string line, const std::string& url) {
    if (!url.empty()) line += " " + url;
    return line + "\n";
  };
  std::string text;
  for (const auto& log : policy.logs) text += with_url("log " + to_vkey(log.key), log.url);
  for (const auto& witness : policy.witnesses)
    text += with_url("witness " + witness.name + " " + to_vkey(witness.key), witness.url);
  for (const auto& group : policy.groups) {
    text += "group " + group.name + " " + std::to_string(group.threshold);
    for (const auto& member : group.members) text += " " + name_of(policy, member);
    text += "\n";
  }
  return text + "quorum " + (policy.quorum ? name_of(policy, *policy.quorum) : std::string(kNone)) + "\n";
}

Policy simple_policy(std::vector<PolicyLog> logs, std::vector<PolicyWitness> witnesses, std::size_t needed) {
  Policy policy{std::move(logs), std::move(witnesses), {}, {}};
  if (policy.witnesses.empty()) return policy;
  PolicyGroup group{"witnesses", needed, {}};
  const auto taken = [&policy](const std::string& name) {
    return std::any_of(policy.witnesses.begin(), policy.witnesses.end(), [&](const auto& one) { return one.name == name; });
  };
  while (taken(group.name)) group.name += "-group";
  for (std::size_t i = 0; i < policy.witnesses.size(); ++i) group.members.push_back({PolicyRef::Kind::witness, i});
  policy.groups.push_back(std::move(group));
  policy.quorum = PolicyRef{PolicyRef::Kind::group, 0};
  return policy;
}

std::optional<std::uint64_t> quorum_size(const Policy& policy, std::span<const std::uint64_t> sizes) {
  if (!policy.quorum) return std::nullopt;
  std::vector<std::uint64_t> group_sizes;
  const auto size_of = [&](const PolicyRef& ref) {
    return ref.kind == PolicyRef::Kind::witness ? sizes[ref.index] : group_sizes[ref.index];
  };
  // Groups name only earlier ones. k members vouch for as many records as the k-th best of them does.
  for (const auto& group : policy.groups) {
    std::vector<std::uint64_t> of_members;
    for (const auto& member : group.members) of_members.push_back(size_of(member));
    const auto kth = of_members.begin() + static_cast<std::ptrdiff_t>(group.threshold - 1);
    std::nth_element(of_members.begin(), kth, of_members.end(), std::greater<>());
    group_sizes.push_back(*kth);
  }
  return size_of(*policy.quorum);
}

}  // namespace sanad::audit
