#include "control/ledger/prepared_event.hpp"

#include <algorithm>

#include "control/audit/canonical.hpp"

namespace sanad::ledger {
namespace {

constexpr std::size_t kUsualItemBytes = 80;  // salt, name and value with what stands around them

Result<void> append_item(std::string& items, const audit::Disclosure& disclosure) {
  items += items.empty() ? "[[" : ",[";
  if (auto done = audit::append_canonical_string(items, disclosure.salt); !done) return done;
  items += ',';
  if (auto done = audit::append_canonical_string(items, disclosure.name); !done) return done;
  items += ',';
  items += disclosure.value_json;
  items += ']';
  return {};
}

}  // namespace

Result<PreparedEvent> prepare(const audit::EventDraft& draft) {
  static const audit::FillRandom random = audit::system_random();
  auto leaf = audit::prepare_leaf(draft, random);
  if (!leaf) return std::move(leaf).error();
  PreparedEvent out{*std::move(leaf), {}};
  for (const auto& disclosure : out.leaf.disclosures) {
    auto row = std::find_if(out.personal.begin(), out.personal.end(),
                            [&](const auto& known) { return known.owner_id == disclosure.owner_id; });
    if (row == out.personal.end()) {
      row = out.personal.insert(row, {disclosure.owner_id, {}});
      row->items.reserve(kUsualItemBytes * out.leaf.disclosures.size());
    }
    if (auto done = append_item(row->items, disclosure); !done) return std::move(done).error();
  }
  for (auto& row : out.personal) row.items += ']';
  // Told already; what the storage thread need not free, it does not wait for.
  out.leaf.disclosures = {};
  return out;
}

}  // namespace sanad::ledger
