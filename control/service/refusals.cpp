#include "control/service/refusals.hpp"

#include <chrono>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"

namespace sanad::service {

void Refusals::record(const Caller& caller, std::string operation, std::string target, std::string why) {
  const BootTime t = now().boot;
  // Windows of uids that have been quiet are dropped, so that the map is bounded by the callers of one minute.
  std::erase_if(windows_, [t](const auto& entry) { return entry.second.counted == 0 && t - entry.second.began > std::chrono::minutes{1}; });
  Window& window = windows_[caller.actor.uid];
  unsigned missed = 0;
  if (window.began.ns == 0 || t - window.began > std::chrono::minutes{1}) {
    missed = window.counted;
    window = Window{t, 0, 0};
  }
  if (window.recorded >= kPerMinute) {
    ++window.counted;
    return;
  }
  ++window.recorded;
  audit::ApiCall call{.operation = std::move(operation), .target = std::move(target), .allowed = false, .why = std::move(why)};
  gateway_.recorder().record(
      1, [reporter = gateway_.reporter(), actor = audit_actor(caller), call = std::move(call), missed](ledger::Transaction& txn) -> Result<void> {
        if (missed > 0) {
          boost::json::object details{{"uid", actor.uid}, {"count", missed}};
          if (auto told = txn.append(audit::own_event(reporter, txn.now().wall, "refusals_counted", std::move(details))); !told) return told.error();
        }
        auto index = txn.append(audit::api_activity(reporter, txn.now().wall, actor, call));
        if (!index) return index.error();
        return {};
      });
}

}  // namespace sanad::service
