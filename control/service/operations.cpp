#include <algorithm>
#include <utility>

#include "config/compare.hpp"
#include "config/reader.hpp"
#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

Sha256 digest_of(const config::Config& config) {
  Sha256 out{};
  const auto bytes = hex_decode(config::digest(config));
  if (bytes && bytes->size() == out.size()) std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

}  // namespace

void Operations::reload(Caller caller, Done<Reloaded> done) {
  gateway_.device().post([this, &loop = gateway_.loop(), caller = std::move(caller), done = std::move(done),
                          file = gateway_.config_file()] {
    auto loaded = config::load(file);
    boost::asio::post(loop, [this, caller, done, loaded = std::move(loaded)]() mutable {
      if (!loaded) return done(loaded.error());
      const auto& before = gateway_.config();
      const auto restart = config::needing_restart(before, *loaded);
      if (!restart.empty()) {
        std::string list;
        for (const auto& key : restart) list += (list.empty() ? "" : ", ") + key;
        return done(Error{Errc::invalid_argument, "needs a restart, so nothing was reloaded: " + list, restart.front(),
                          "systemctl restart sanadd"});
      }
      Reloaded out;
      out.changed = config::difference(before, *loaded);
      if (out.changed.empty()) log::info("the configuration was read again: no difference");
      audit::EntityChange change{.verb = audit::EntityVerb::update,
                                 .action = "reload",
                                 .type = "config",
                                 .id = before.gateway.id,
                                 .before = digest_of(before),
                                 .after = digest_of(*loaded)};
      boost::json::array keys;
      for (const auto& key : out.changed) keys.emplace_back(key);
      change.details["changed"] = std::move(keys);
      gateway_.change<std::uint64_t>(
          [reporter = gateway_.reporter(), actor = audit_actor(caller), change = std::move(change)](ledger::Transaction& txn) {
            return txn.append(audit::entity_management(reporter, txn.now().wall, actor, change));
          },
          [this, out = std::move(out), config = std::move(*loaded), by = caller.actor.uid,
           done](Result<std::uint64_t> index) mutable {
            if (!index) return done(index.error());
            if (!out.changed.empty())
              gateway_.apply_config(std::move(config), by);
            else
              gateway_.reread_registration();
            out.evidence = *index;
            done(std::move(out));
          });
    });
  });
}

void Operations::shutdown(Caller caller, Done<std::uint64_t> done) {
  audit::ApiCall call{.operation = "POST /v1/shutdown", .allowed = true};
  gateway_.change<std::uint64_t>(
      [reporter = gateway_.reporter(), actor = audit_actor(caller), call = std::move(call)](ledger::Transaction& txn) {
        return txn.append(audit::api_activity(reporter, txn.now().wall, actor, call));
      },
      [this, done = std::move(done)](Result<std::uint64_t> index) {
        done(index);
        if (index && gateway_.on_shutdown) gateway_.on_shutdown("asked through the admin socket");
      });
}

void Operations::rotate_log_key(Caller caller, Done<RotatedLogKey> done) {
  if (!gateway_.on_rotate_log_key) return done(Error{Errc::unsupported, "this program does not publish a log"});
  audit::ApiCall call{.verb = audit::ApiVerb::update, .operation = "POST /v1/log/rotate-key", .target = "log", .allowed = true};
  auto by = audit::api_activity(gateway_.reporter(), now().wall, audit_actor(caller), call);
  gateway_.on_rotate_log_key(std::move(by), [this, &loop = gateway_.loop(), done = std::move(done)](Result<RotatedKey> rotated) {
    boost::asio::post(loop, [this, done, rotated = std::move(rotated)] {
      if (!rotated) return done(rotated.error());
      gateway_.sign_log_keys();
      done(RotatedLogKey{rotated->epoch, rotated->vkey, rotated->first_index, rotated->first_index - 1});
    });
  });
}

}  // namespace sanad::service
