// Any bytes as a policy: never a crash, what is accepted means the same when it is written and read again.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/audit/policy.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::audit;
  const auto policy = parse_policy({reinterpret_cast<const char*>(data), size});
  if (!policy) return 0;
  require(parse_policy(policy_text(*policy)).value() == *policy);
  std::vector<std::uint64_t> sizes(policy->witnesses.size(), 0);
  const auto nobody = quorum_size(*policy, sizes);
  require(nobody.has_value() == policy->quorum.has_value());
  require(nobody.value_or(0) == 0);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i + 1;
  const auto everybody = quorum_size(*policy, sizes);
  require(!everybody || (*everybody >= 1 && *everybody <= sizes.size()));
  return 0;
}
