// Any bytes as a record: never a crash, what is read lies inside it, and what it says of the log itself means the same when it is
// written and read again.

#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/audit/canonical.hpp"
#include "control/audit/leaf_read.hpp"
#include "control/audit/log_facts.hpp"
#include "control/audit/retention_record.hpp"

namespace {

using namespace sanad;
using namespace sanad::audit;

void require(bool holds) {
  if (!holds) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void facts(std::string_view event) {
  if (const auto fact = log_fact(event)) {
    if (const auto* key = std::get_if<KeyAnnouncement>(&*fact)) {
      const auto again = canonical_json(key_announced({}, {}, *key).event);
      if (again) require(std::get<KeyAnnouncement>(log_fact(*again).value()) == *key);
    }
  }
  if (const auto raised = read_minimum_raised(event)) {
    const auto again = read_minimum_raised(canonical_json(minimum_raised({}, {}, *raised).event).value());
    require(again && again->from == raised->from && again->to == raised->to);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto leaf = read_leaf(text);
  facts(leaf ? leaf->event : text);
  if (!leaf) return 0;
  require(inside(leaf->event, text) && inside(leaf->digests, text));
  static_cast<void>(holds_digest(*leaf, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"));
  return 0;
}
