#pragma once
// The keys that sign the log, one an epoch (config: evidence.epoch). The publisher's thread alone; blocks.
//
// Order at the end of an epoch, each step durable before the next: the next key's file; its announcement, the last leaf of the
// epoch, with which the next epoch begins in one commit; a checkpoint by the old key that ends with that leaf, in state.db, in
// place and in the archive (Publisher); the old key's file destroyed; a leaf that says so. A kill between any two is taken up by
// the next start.

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/signing_keys.hpp"
#include "control/ledger/ledger.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"

namespace sanad::service {

struct LogKeySettings {
  std::filesystem::path state_dir;
  std::string gateway_id;          // the log's origin is "sanad/<gateway id>" when it begins, and stays that
  std::chrono::nanoseconds epoch;  // how long a key signs
};

struct RotatedKey {
  std::uint64_t epoch = 0;
  std::string vkey;
  std::uint64_t first_index = 0;
};

class LogKeys final : public audit::SigningKeys {
 public:
  // Makes and records the first key of a log that has none. Errors: corrupt (a file that is not the recorded key), not_found or
  // permission_denied (its file), unavailable, io.
  static Result<std::unique_ptr<LogKeys>> open(ledger::Ledger& ledger, LogKeySettings settings);

  // When a commit ended in doubt, what the ledger really has is read again here: before each round of publishing.
  Result<void> refresh();
  // The epoch has lasted, or the clock is before its beginning.
  [[nodiscard]] bool due(WallTime now) const;
  // Makes the next key and announces it, with `by` before it in the same commit. Errors: conflict (`signed_size`, the latest
  // checkpoint's, is still of the epoch before: the last change is not through yet), unavailable, io.
  Result<RotatedKey> rotate(WallTime now, std::uint64_t signed_size, const std::optional<audit::EventDraft>& by);
  // Destroys what epochs that are over at `signed_size` have left.
  Result<void> destroy_ended(std::uint64_t signed_size);

  [[nodiscard]] const std::string& origin() const override { return origin_; }
  [[nodiscard]] std::vector<audit::EpochKey> begun(std::uint64_t size) const override;
  Result<audit::SigningTerm> term_after(std::uint64_t size) override;

  // The key that was announced last, and whether it signs the next tree after one of `size` records.
  [[nodiscard]] const ledger::LogKey& current() const { return keys_.back(); }
  [[nodiscard]] bool signs_after(std::uint64_t size) const { return current().first_index - first_record_ <= size; }
  // Number of the record that is the tree's first.
  [[nodiscard]] std::uint64_t first_record() const { return first_record_; }

 private:
  LogKeys(ledger::Ledger& ledger, LogKeySettings settings) : ledger_(ledger), settings_(std::move(settings)) {}
  Result<void> load();
  Result<void> begin();
  Result<const audit::Signer*> signer(std::size_t at);

  ledger::Ledger& ledger_;
  LogKeySettings settings_;
  std::string origin_;
  std::uint64_t first_record_ = 0;
  std::vector<ledger::LogKey> keys_;                // ascending; empty only while opening
  std::vector<audit::VerifierKey> verifiers_;       // beside keys_
  std::map<std::uint64_t, audit::Signer> signers_;  // by epoch, those read so far
  WallTime began_;                                  // the last one
  std::uint64_t destroyed_ = 0;                     // the last epoch whose private key is gone
  bool in_doubt_ = false;
};

}  // namespace sanad::service
