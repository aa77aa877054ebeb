#include "control/service/refusals.hpp"

#include <chrono>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"

namespace sanad::service {

void Refusals::tell(uid_t uid, unsigned count) {
  gateway_.recorder().record(1, [reporter = gateway_.reporter(), uid, count](ledger::Transaction& txn) -> Result<void> {
    boost::json::object details{{"uid", uid}, {"count", count}};
    auto index = txn.append(audit::own_event(reporter, txn.now().wall, "refusals_counted", std::move(details)));
    if (!index) return index.error();
    return {};
  });
}

void Refusals::settle(bool all) {
  const BootTime t = now().boot;
  std::erase_if(windows_, [this, t, all](const auto& entry) {
    if (!all && t - entry.second.began <= std::chrono::minutes{1}) return false;
    if (entry.second.counted > 0) tell(entry.first, entry.second.counted);
    return true;
  });
}

void Refusals::record(const Caller& caller, std::string operation, std::string target, std::string why) {
  settle();
  const auto [window, fresh] = windows_.try_emplace(caller.actor.uid);
  if (fresh) window->second.began = now().boot;
  if (window->second.recorded >= kPerMinute) {
    ++window->second.counted;
    return;
  }
  ++window->second.recorded;
  audit::ApiCall call{.operation = std::move(operation), .target = std::move(target), .allowed = false, .why = std::move(why)};
  const auto event = ledger::prepare(audit::api_activity(gateway_.reporter(), now().wall, audit_actor(caller), call));
  gateway_.recorder().record(1, [event](ledger::Transaction& txn) -> Result<void> {
    if (!event) return event.error();
    if (auto index = txn.append(*event); !index) return index.error();
    return {};
  });
}

}  // namespace sanad::service
