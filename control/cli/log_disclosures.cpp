#include "control/cli/log_disclosures.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "control/audit/canonical.hpp"
#include "control/audit/leaf.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/requests.hpp"

namespace sanad::cli {
namespace {

constexpr const char* kAll = "all";
constexpr std::uint64_t kEntriesAtOnce = 1'000;

Outcome<std::string> encoded(const json::value& disclosure) {
  const auto* value = find(disclosure, "value");
  auto canonical = value == nullptr ? Result<std::string>(Error{}) : audit::canonical_json(*value);
  auto text = canonical ? audit::disclosure_text({shown(disclosure, "name"), *canonical, shown(disclosure, "salt"), {}})
                        : Result<std::string>(Error{});
  if (!text) return Failure{Exit::failure, "the daemon's answer holds a disclosure that is none", {}, {}};
  return *std::move(text);
}

}  // namespace

Outcome<std::vector<std::string>> disclosures_of(const Client& client, std::uint64_t record,
                                                 const std::vector<std::string>& names) {
  std::vector<std::string> out;
  if (names.empty()) return out;
  const std::string index = std::to_string(record);
  const auto page = get_json(client, with_query("/v1/log/entries", {{"from", index}, {"limit", "1"}}));
  if (!page) return page.error();
  const auto& entries = array_at(*page, "entries");
  if (entries.empty() || int_at(entries.front(), "index") != static_cast<std::int64_t>(record)) {
    return Failure{Exit::not_found, "the daemon has no record " + index, {}, {}};
  }
  const auto& there = array_at(entries.front(), "disclosures");
  const bool all = std::find(names.begin(), names.end(), kAll) != names.end();
  std::vector<std::string> found;
  for (const auto& disclosure : there) {
    const std::string name = shown(disclosure, "name");
    found.push_back(name);
    if (!all && std::find(names.begin(), names.end(), name) == names.end()) continue;
    auto text = encoded(disclosure);
    if (!text) return text.error();
    out.push_back(*std::move(text));
  }
  for (const auto& name : names) {
    if (name == kAll || std::find(found.begin(), found.end(), name) != found.end()) continue;
    std::string have;
    for (const auto& other : found) have += (have.empty() ? "" : ", ") + other;
    return Failure{Exit::not_found, "record " + index + " discloses no " + name,
                   have.empty() ? "nothing personal is kept of it, or you may not see it" : "it has " + have, "--disclose"};
  }
  return out;
}

Outcome<std::uint64_t> write_disclosures(const Client& client, std::uint64_t from, std::uint64_t to, std::ostream& out) {
  std::uint64_t written = 0;
  while (from < to) {
    const std::string limit = std::to_string(std::min(to - from, kEntriesAtOnce));
    const auto page = get_json(client, with_query("/v1/log/entries", {{"from", std::to_string(from)}, {"limit", limit}}));
    if (!page) return page.error();
    const auto& entries = array_at(*page, "entries");
    if (entries.empty()) return Failure{Exit::not_found, "the daemon has no record " + std::to_string(from), {}, {}};
    for (const auto& entry : entries) {
      json::array texts;
      for (const auto& disclosure : array_at(entry, "disclosures")) {
        auto text = encoded(disclosure);
        if (!text) return text.error();
        texts.emplace_back(*text);
      }
      const std::int64_t record = int_at(entry, "index");
      from = static_cast<std::uint64_t>(record) + 1;
      if (texts.empty()) continue;
      out << to_line({{"record", record}, {"disclosures", std::move(texts)}}) << "\n";
      ++written;
    }
  }
  return written;
}

}  // namespace sanad::cli
