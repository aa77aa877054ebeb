#include "control/service/log_adoption.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "control/audit/origin.hpp"
#include "control/audit/verifier.hpp"
#include "control/service/log_key_file.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

Error no_continuation(std::string why) { return {Errc::corrupt, std::move(why)}; }

// One bundle at a time, for records in ascending order.
class Entries final {
 public:
  Entries(const audit::LogReader& log, const audit::VerifiedLog& verified) : log_(log), verified_(verified) {}

  Result<std::string> at(std::uint64_t record) {
    const std::uint64_t index = record - verified_.first_record;
    const std::uint64_t number = index / audit::kTileWidth;
    if (number != number_) {
      const std::uint64_t left = verified_.checkpoint.size - number * audit::kTileWidth;
      const auto width = static_cast<unsigned>(std::min<std::uint64_t>(audit::kTileWidth, left));
      if (auto read = log_.entries(number, width, bundle_); !read) return std::move(read).error();
      number_ = number;
    }
    const auto entry = bundle_.entries[index % audit::kTileWidth];
    return std::string(entry.begin(), entry.end());
  }

 private:
  const audit::LogReader& log_;
  const audit::VerifiedLog& verified_;
  std::uint64_t number_ = audit::kMaxTreeSize;
  audit::Bundle bundle_;
};

// A state.db that was made anew has recorded nothing but the key it made for itself.
bool is_new(const LedgerHistory& history) { return history.signed_log.size == 0 && history.records <= 1; }

Result<void> check_prefix(const LedgerHistory& history, const audit::LogReader& log, const audit::VerifiedLog& verified) {
  const auto note = audit::parse_note(history.signed_log.note);
  if (!note) return note.error();
  const auto tree = audit::parse_checkpoint(note->text);
  if (!tree) return tree.error();
  if (tree->origin != verified.checkpoint.origin) {
    return no_continuation("it is the log of " + verified.checkpoint.origin + ", not of " + tree->origin);
  }
  if (tree->size > verified.checkpoint.size) {
    return no_continuation("it ends with " + std::to_string(verified.checkpoint.size) + " records, and " +
                           std::to_string(tree->size) + " were signed");
  }
  const auto root = audit::tree_root(tree->size, log.nodes(verified.checkpoint.size));
  if (!root) return root.error();
  if (*root != tree->root)
    return no_continuation("its first " + std::to_string(tree->size) + " records are others than were signed");
  return {};
}

Result<void> check_pending(const LedgerHistory& history, Entries& entries, std::uint64_t end) {
  if (history.records > end) {
    return no_continuation("it has records up to " + std::to_string(end) + ", state.db up to " + std::to_string(history.records));
  }
  for (const auto& leaf : history.pending) {
    const auto published = entries.at(leaf.index);
    if (!published) return published.error();
    if (*published != leaf.bytes) {
      return no_continuation("its record " + std::to_string(leaf.index) + " is another than the one in state.db");
    }
  }
  return {};
}

// The key announced by the very last record has no record of its own yet.
Result<std::vector<ledger::LogKey>> keys_of(const audit::VerifiedLog& verified, Entries& entries, std::uint64_t end) {
  std::vector<ledger::LogKey> keys;
  for (const auto& epoch : verified.epochs) keys.push_back({epoch.epoch, audit::to_vkey(epoch.key), epoch.first});
  if (!verified.epochs.back().end) return keys;
  const auto last = entries.at(end - 1);
  if (!last) return last.error();
  const auto leaf = audit::read_leaf(*last);
  if (!leaf) return leaf.error();
  auto fact = audit::log_fact(leaf->event);
  if (!fact) return std::move(fact).error();
  const auto& announced = std::get<audit::KeyAnnouncement>(*fact);
  keys.push_back({announced.epoch, announced.vkey, announced.first_index});
  return keys;
}

// Both when the last tree of an epoch is all there is: then nothing more is signed with the older one, and it may be gone.
Result<void> check_private_key(const ledger::LogKey& key, const std::filesystem::path& state_dir) {
  const LogKeyFile file(state_dir, key.epoch);
  const auto seed = file.read();
  if (!seed) return seed.error();
  const auto recorded = audit::parse_vkey(key.vkey);
  if (!recorded) return recorded.error();
  const auto verifier = audit::verifier_of(audit::Signer{recorded->name, *seed});
  if (!verifier) return verifier.error();
  if (*verifier == *recorded) return {};
  return Error{Errc::not_found, file.path().string() + " is not the key that signs the log now"};
}

}  // namespace

Result<ledger::AdoptedLog> continuation_of(const LedgerHistory& history, const std::filesystem::path& state_dir,
                                           const std::string& gateway_id) {
  const audit::LogReader log(log_directory(state_dir));
  audit::VerifyOptions how;
  how.threads = std::max(1U, std::thread::hardware_concurrency());
  const auto verified = audit::verify_log(log, how);
  if (!verified) return verified.error();
  const std::uint64_t end = verified->first_record + verified->checkpoint.size;
  Entries entries(log, *verified);
  if (is_new(history)) {
    const std::string ours = "sanad/" + gateway_id;
    if (verified->checkpoint.origin != ours && verified->checkpoint.origin != audit::origin_from(ours, verified->first_record)) {
      return no_continuation("it is the log of " + verified->checkpoint.origin + ", not of " + ours);
    }
  } else {
    if (history.signed_log.size > 0) {
      if (auto done = check_prefix(history, log, *verified); !done) return std::move(done).error();
    }
    if (auto done = check_pending(history, entries, end); !done) return std::move(done).error();
  }
  auto keys = keys_of(*verified, entries, end);
  if (!keys) return std::move(keys).error();
  if (auto done = check_private_key(keys->back(), state_dir); !done) return std::move(done).error();

  ledger::AdoptedLog adopted;
  auto note = log.checkpoint();
  if (!note) return std::move(note).error();
  adopted.signed_log = {end, *std::move(note)};
  adopted.keys = *std::move(keys);
  adopted.epoch_began = WallTime::from_ms(verified->epochs.back().begin_ms.value_or(verified->first_ms.value_or(0)));
  for (std::uint64_t record = verified->first_record + audit::full_tiles(0, verified->checkpoint.size) * audit::kTileWidth;
       record < end; ++record) {
    auto entry = entries.at(record);
    if (!entry) return std::move(entry).error();
    adopted.pending.push_back({record, *std::move(entry), {}});
  }
  return adopted;
}

}  // namespace sanad::service
