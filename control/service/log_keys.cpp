#include "control/service/log_keys.hpp"

#include <algorithm>
#include <utility>

#include "control/audit/epoch_chain.hpp"
#include "control/audit/log_facts.hpp"
#include "control/audit/origin.hpp"
#include "control/service/blocking_ledger.hpp"
#include "control/service/log_key_file.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr const char* kMetaDestroyed = "log_keys_destroyed";  // decimal: the last epoch whose private key is gone; absent: none
constexpr std::uint64_t kFirstEpoch = 1;

struct Recorded {
  std::vector<ledger::LogKey> keys;
  WallTime began;
  std::uint64_t destroyed = 0;
};

Result<Recorded> recorded(ledger::Transaction& txn) {
  return Recorded{txn.log_keys(), txn.log_epoch_began().value_or(txn.now().wall),
                  std::stoull(txn.meta(kMetaDestroyed).value_or("0"))};
}

audit::Reporter reporter_of(const std::string& gateway_id) { return {gateway_id, {}, {}, read_clock_sync()}; }

Result<audit::VerifierKey> verifier_of(const std::string& origin, const Secret32& seed) {
  return audit::verifier_of(audit::Signer{origin, seed});
}

}  // namespace

Result<std::unique_ptr<LogKeys>> LogKeys::open(ledger::Ledger& ledger, LogKeySettings settings) {
  auto keys = std::unique_ptr<LogKeys>(new LogKeys(ledger, std::move(settings)));
  if (auto loaded = keys->load(); !loaded) return std::move(loaded).error();
  if (keys->keys_.empty()) {
    if (auto begun = keys->begin(); !begun) return std::move(begun).error().within("couldn't begin the log");
  }
  auto size =
      ask_now<std::uint64_t>(ledger, [](ledger::Transaction& txn) -> Result<std::uint64_t> { return txn.signed_log().size; });
  if (!size) return std::move(size).error();
  // Both of an epoch that is about to end, or the one there is.
  for (const std::uint64_t at : {*size, audit::kMaxTreeSize}) {
    if (auto term = keys->term_after(at); !term) return std::move(term).error().within("couldn't read the log's signing key");
  }
  return keys;
}

Result<void> LogKeys::load() {
  auto found = ask_now<Recorded>(ledger_, recorded);
  if (!found) return std::move(found).error();
  std::vector<audit::VerifierKey> verifiers;
  for (const auto& key : found->keys) {
    auto verifier = audit::parse_vkey(key.vkey);
    if (!verifier) return std::move(verifier).error().within("the log key recorded for epoch " + std::to_string(key.epoch));
    verifiers.push_back(*std::move(verifier));
  }
  keys_ = std::move(found->keys);
  verifiers_ = std::move(verifiers);
  origin_ = keys_.empty() ? "sanad/" + settings_.gateway_id : verifiers_.back().name;
  first_record_ = audit::first_record_of(origin_);
  began_ = found->began;
  destroyed_ = found->destroyed;
  in_doubt_ = false;
  return {};
}

Result<void> LogKeys::refresh() {
  if (!in_doubt_) return {};
  return load();
}

// The key is recorded in the same commit as the leaf that announces it.
Result<void> LogKeys::begin() {
  auto seed = LogKeyFile(settings_.state_dir, kFirstEpoch).read_or_make();
  if (!seed) return std::move(seed).error();
  const auto verifier = verifier_of(origin_, *seed);
  if (!verifier) return verifier.error();
  auto done = change_now<void>(ledger_, [&](ledger::Transaction& txn) -> Result<void> {
    const ledger::LogKey key{kFirstEpoch, audit::to_vkey(*verifier), txn.next_index()};
    if (auto began = txn.begin_log_epoch(key); !began) return began;
    auto index = txn.append(
        audit::key_announced(reporter_of(settings_.gateway_id), txn.now().wall, {key.epoch, key.vkey, key.first_index}));
    if (!index) return std::move(index).error();
    return {};
  });
  if (!done) return done;
  return load();
}

bool LogKeys::due(WallTime now) const {
  // A clock that was wrong when the epoch began must not keep its key signing until it is right by chance.
  const std::chrono::nanoseconds lasted = now - began_;
  return lasted >= settings_.epoch || lasted < -std::chrono::milliseconds(audit::kClockSlackMs);
}

Result<RotatedKey> LogKeys::rotate(WallTime now, std::uint64_t signed_size, const std::optional<audit::EventDraft>& by) {
  if (auto fresh = refresh(); !fresh) return std::move(fresh).error();
  const auto& last = keys_.back();
  if (!signs_after(signed_size)) {
    return Error{Errc::conflict,
                 "the key of epoch " + std::to_string(last.epoch) + " was announced and does not sign yet",
                 {},
                 "wait until the next checkpoint: sanad status"};
  }
  const std::uint64_t epoch = last.epoch + 1;
  auto seed = LogKeyFile(settings_.state_dir, epoch).read_or_make();
  if (!seed) return std::move(seed).error().within("couldn't make the log's next key");
  const auto verifier = verifier_of(origin_, *seed);
  if (!verifier) return verifier.error();
  const std::int64_t lasted_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - began_).count();
  auto rotated = change_now<RotatedKey>(ledger_, [&](ledger::Transaction& txn) -> Result<RotatedKey> {
    const auto reporter = reporter_of(settings_.gateway_id);
    if (lasted_ms < 0) {
      auto index = txn.append(audit::clock_change(reporter, txn.now().wall, "before the epoch", lasted_ms));
      if (!index) return std::move(index).error();
    }
    if (by) {
      if (auto index = txn.append(*by); !index) return std::move(index).error();
    }
    const RotatedKey next{epoch, audit::to_vkey(*verifier), txn.next_index() + 1};
    auto index = txn.append(audit::key_announced(reporter, txn.now().wall, {next.epoch, next.vkey, next.first_index}));
    if (!index) return std::move(index).error();
    if (auto began = txn.begin_log_epoch({next.epoch, next.vkey, next.first_index}); !began) return std::move(began).error();
    return next;
  });
  // Whatever was answered: what counts is what the ledger has.
  in_doubt_ = true;
  if (!rotated) return std::move(rotated).error().within("couldn't announce the log's next key");
  log::info("the log's key of epoch {} was announced; it signs from record {} on", rotated->epoch, rotated->first_index);
  if (auto fresh = refresh(); !fresh) return std::move(fresh).error();
  return rotated;
}

Result<void> LogKeys::destroy_ended(std::uint64_t signed_size) {
  if (auto fresh = refresh(); !fresh) return fresh;
  for (std::size_t i = 0; i + 1 < keys_.size() && keys_[i + 1].first_index - first_record_ <= signed_size; ++i) {
    const std::uint64_t epoch = keys_[i].epoch;
    if (epoch <= destroyed_) continue;
    signers_.erase(epoch);
    const LogKeyFile file(settings_.state_dir, epoch);
    auto gone = file.destroy();
    if (!gone) return std::move(gone).error().within("couldn't destroy the log's key of epoch " + std::to_string(epoch));
    if (!*gone) {
      log::warn("the log's key of epoch {} is over and should be taken away from {}", epoch, file.path().string());
      destroyed_ = epoch;  // told once a run
      continue;
    }
    auto done = change_now<void>(ledger_, [&](ledger::Transaction& txn) -> Result<void> {
      auto index = txn.append(audit::key_destroyed(reporter_of(settings_.gateway_id), txn.now().wall, epoch));
      if (!index) return std::move(index).error();
      txn.set_meta(kMetaDestroyed, std::to_string(epoch));
      return {};
    });
    if (!done) {
      in_doubt_ = true;
      return std::move(done).error().within("couldn't record that the log's key of epoch " + std::to_string(epoch) + " is gone");
    }
    destroyed_ = epoch;
  }
  return {};
}

std::vector<audit::EpochKey> LogKeys::begun(std::uint64_t size) const {
  std::vector<audit::EpochKey> out;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (i == 0 || keys_[i].first_index - first_record_ < size) out.push_back({keys_[i].epoch, verifiers_[i]});
  }
  return out;
}

Result<audit::SigningTerm> LogKeys::term_after(std::uint64_t size) {
  std::size_t at = 0;
  while (at + 1 < keys_.size() && keys_[at + 1].first_index - first_record_ <= size) ++at;
  auto found = signer(at);
  if (!found) return std::move(found).error();
  audit::SigningTerm term{**found, std::nullopt};
  if (at + 1 < keys_.size()) term.end = keys_[at + 1].first_index - first_record_;
  return term;
}

Result<const audit::Signer*> LogKeys::signer(std::size_t at) {
  const std::uint64_t epoch = keys_[at].epoch;
  if (const auto known = signers_.find(epoch); known != signers_.end()) return &known->second;
  const LogKeyFile file(settings_.state_dir, epoch);
  auto seed = file.read();
  // One that was recorded and is gone is not replaced: the log would go on under a key that nobody announced.
  if (!seed) {
    Error error = std::move(seed).error();
    if (error.hint.empty())
      error.hint =
          "put the file back from a backup; without it the log cannot go on under its own name: sanad log recover begins another";
    return error;
  }
  const auto verifier = verifier_of(origin_, *seed);
  if (!verifier) return verifier.error();
  if (*verifier != verifiers_[at]) {
    return Error{Errc::corrupt,
                 file.path().string() + " is not the key that was recorded for the log",
                 {},
                 "put the right file back from a backup"};
  }
  return &signers_.emplace(epoch, audit::Signer{origin_, *seed}).first->second;
}

}  // namespace sanad::service
