#include "control/service/interface_rows.hpp"

#include <set>
#include <utility>
#include <variant>

namespace sanad::service {
namespace {

wg::PublicKey peer_of(const sessions::Event& event) {
  return std::visit(
      [](const auto& e) -> wg::PublicKey {
        if constexpr (requires { e.peer; })
          return e.peer;
        else
          return {};
      },
      event);
}

}  // namespace

void take_rows_of(const sessions::Tracker& tracker, const std::vector<sessions::Event>& events,
                  std::vector<sessions::Baseline>& changed, std::vector<wg::PublicKey>& forgotten) {
  std::set<wg::PublicKey> seen;
  for (const auto& event : events) {
    const wg::PublicKey peer = peer_of(event);
    if (peer.is_zero() || !seen.insert(peer).second) continue;
    if (auto row = tracker.baseline(peer))
      changed.push_back(std::move(*row));
    else
      forgotten.push_back(peer);
  }
}

}  // namespace sanad::service
