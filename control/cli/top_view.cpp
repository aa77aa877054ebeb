#include "control/cli/top_view.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/table.hpp"

namespace sanad::cli {

std::vector<Rates::Row> Rates::update(const std::vector<json::value>& peers, Instant now) {
  std::vector<Row> rows;
  std::map<std::string, Figures> current;
  for (const auto& peer : peers) {
    if (find(peer, "connected") == nullptr) continue;
    const std::string id = text_at(peer, "id");
    Figures fresh{text_at(peer, "connected.session"), int_at(peer, "connected.rx_bytes"), int_at(peer, "connected.tx_bytes"),
                  now.boot};
    const auto known = figures_.find(id);
    if (known != figures_.end() && known->second.session == fresh.session) {
      const Figures& before = known->second;
      const double seconds = static_cast<double>((now.boot - before.changed).count()) / 1e9;
      if (fresh.rx == before.rx && fresh.tx == before.tx) {
        fresh = before;
        if (now.boot - before.changed > kFade) fresh.rx_per_s = fresh.tx_per_s = 0;
      } else if (seconds > 0) {
        fresh.rx_per_s = std::max(0.0, static_cast<double>(fresh.rx - before.rx) / seconds);
        fresh.tx_per_s = std::max(0.0, static_cast<double>(fresh.tx - before.tx) / seconds);
      }
    }
    const auto since = time_at(peer, "connected.since");
    const std::string name = text_at(peer, "name");
    rows.push_back({name.empty() ? id : name, text_at(peer, "device"), text_at(peer, "connected.endpoint"), fresh.rx, fresh.tx,
                    fresh.rx_per_s, fresh.tx_per_s, since ? now.wall - *since : std::chrono::nanoseconds{0}});
    current.emplace(id, std::move(fresh));
  }
  figures_ = std::move(current);
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    const double x = a.rx_per_s + a.tx_per_s;
    const double y = b.rx_per_s + b.tx_per_s;
    return x != y ? x > y : std::tuple(b.rx_bytes + b.tx_bytes, a.name) < std::tuple(a.rx_bytes + a.tx_bytes, b.name);
  });
  return rows;
}

std::string top_table(const std::vector<Rates::Row>& rows, std::size_t most) {
  Table table({{"PEER"},
               {"FROM"},
               {"CONNECTED"},
               {"IN/S", Align::right},
               {"OUT/S", Align::right},
               {"IN", Align::right},
               {"OUT", Align::right}});
  for (std::size_t i = 0; i < std::min(rows.size(), most); ++i) {
    const auto& row = rows[i];
    table.add({row.name, row.from, humane_duration(row.connected), humane_bytes(std::llround(row.rx_per_s)),
               humane_bytes(std::llround(row.tx_per_s)), humane_bytes(row.rx_bytes), humane_bytes(row.tx_bytes)});
  }
  std::string text = rows.empty() ? "nobody is connected\n" : table.render();
  if (rows.size() > most) text += "... and " + with_thousands(static_cast<std::int64_t>(rows.size() - most)) + " more\n";
  return text;
}

}  // namespace sanad::cli
