#include "control/audit/publisher.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "control/audit/log_reader.hpp"

namespace sanad::audit {
namespace {

// Each call to the outbox waits for the commit before it: few large ones keep up with a burst, many small ones do not.
constexpr std::size_t kLeavesAtOnce = 8'192;
// A burst is published in steps, so that its first records are covered while the last are still coming.
constexpr std::uint64_t kLeavesInOneCheckpoint = 16'384;
constexpr std::int64_t kArchiveEveryNs = std::chrono::nanoseconds(std::chrono::hours(1)).count();

std::vector<VerifierKey> all_of(const SigningKeys& keys) {
  std::vector<VerifierKey> all;
  for (auto& epoch : keys.begun(kMaxTreeSize)) all.push_back(std::move(epoch.key));
  return all;
}

Error two_histories(std::string what) {
  return {Errc::corrupt,
          std::move(what),
          {},
          "nothing was written; put back the state.db and the log directory that belong together; where there is no such pair: "
          "sanad log "
          "recover"};
}

}  // namespace

Publisher::Publisher(LogStore store, Outbox& outbox, SigningKeys& keys)
    : store_(std::move(store)), outbox_(outbox), keys_(keys) {}

Result<Published> Publisher::publish(WallTime now) {
  if (!edge_) {
    if (auto done = load(now); !done) return std::move(done).error();
  }
  const auto write = [&]() -> Result<Published> {
    auto term = keys_.term_after(last_.size);
    if (!term) return std::move(term).error().within("couldn't read the log's signing key");
    auto more = write_pending(term->end.value_or(kMaxTreeSize));
    if (!more) return std::move(more).error();
    const bool changed = edge_->size() > last_.size;
    if (changed) {
      if (auto done = write_partials(); !done) return std::move(done).error();
      if (auto done = sign_and_publish(term->signer, now); !done) return std::move(done).error();
    }
    if (last_.size == term->end) {
      if (auto done = end_epoch(); !done) return std::move(done).error();
    }
    return Published{last_, changed, *more};
  };
  auto published = write();
  // What was appended in memory may not have reached the directory.
  if (!published) edge_.reset();
  return published;
}

Result<void> Publisher::load(WallTime now) {
  auto note = outbox_.signed_checkpoint();
  if (!note) return std::move(note).error().within("couldn't read the checkpoint signed last");
  bundle_.clear();
  filled_.clear();
  Checkpoint last{keys_.origin(), 0, empty_root(), {}};
  if (!note->empty()) {
    auto opened = open_checkpoint(*note, all_of(keys_));
    if (!opened) return two_histories("the checkpoint in state.db is not of this log's keys: " + opened.error().message);
    last = std::move(opened->checkpoint);
    if (last.origin != keys_.origin()) {
      return two_histories("state.db holds the log of " + last.origin + ", not of " + keys_.origin());
    }
  }
  auto published = published_checkpoint(last);
  if (!published) return std::move(published).error();
  auto edge = rebuild(last.size);
  if (!edge) return std::move(edge).error();
  if (edge->root() != last.root) {
    return two_histories("the log's tiles do not have the root that was signed for " + std::to_string(last.size) + " records");
  }
  edge_ = *std::move(edge);
  last_ = std::move(last);
  last_note_ = *std::move(note);
  last_time_ = now;
  auto done = take_up(*published);
  // A kill may have come between the last checkpoint of an epoch and what follows from it.
  if (done) done = end_epoch();
  if (!done) edge_.reset();
  return done;
}

// What the directory says is published; nothing when it says nothing.
Result<std::optional<Checkpoint>> Publisher::published_checkpoint(const Checkpoint& last) const {
  auto note = LogReader(store_.directory()).checkpoint();
  if (!note) {
    if (note.error().code == Errc::not_found) return std::optional<Checkpoint>{};
    return std::move(note).error();
  }
  auto opened = open_checkpoint(*note, all_of(keys_));
  if (!opened) return two_histories("the log's checkpoint is not of this log's keys: " + opened.error().message);
  Checkpoint& published = opened->checkpoint;
  if (published.origin != last.origin) return two_histories("the directory holds the log of " + published.origin);
  if (published.size > last.size) {
    return two_histories("the log has published " + std::to_string(published.size) + " records, state.db knows of " +
                         std::to_string(last.size) + ": state.db is older than the log");
  }
  return std::optional(std::move(published));
}

// Finishes what a kill may have left between storing a checkpoint and publishing it, and puts right what is torn.
Result<void> Publisher::take_up(const std::optional<Checkpoint>& published) {
  if (last_.size > 0) {
    if (auto done = write_partials(); !done) return done;
  }
  if (published) {
    const auto root = tree_root(published->size, LogReader(store_.directory()).nodes(last_.size));
    if (!root) return two_histories("the log lacks what it has published: " + root.error().message);
    if (*root != published->root) {
      return two_histories("the log has published another root for " + std::to_string(published->size) +
                           " records than its tiles have");
    }
    if (published->size == last_.size) return {};
  }
  if (last_note_.empty()) return {};
  return store_.publish(last_note_);
}

// Every full tile must be there; what was partial is made again from the outbox and the tiles below, so that a torn partial file
// stops nothing.
Result<TreeEdge> Publisher::rebuild(std::uint64_t size) {
  std::array<std::vector<Hash>, kTileLevels> levels;
  const LogReader reader(store_.directory());
  for (unsigned level = 1; level < kTileLevels; ++level) {
    const std::uint64_t first = full_tiles(level, size) * kTileWidth;
    for (unsigned i = 0; i < partial_width(level, size); ++i) {
      const auto below = reader.hashes({level - 1, first + i, kTileWidth});
      if (!below) return two_histories("the log lacks what state.db says was published: " + below.error().message);
      levels.at(level).push_back(subtree_root(*below));
    }
  }
  const unsigned width = partial_width(0, size);
  if (width > 0) {
    auto leaves = outbox_.pending(full_tiles(0, size) * kTileWidth, width);
    if (!leaves) return std::move(leaves).error().within("couldn't read the pending records");
    if (leaves->size() != width) return two_histories("state.db lacks records that it says were published");
    for (const auto& leaf : *leaves) {
      levels[0].push_back(leaf_hash(as_bytes(leaf)));
      if (auto done = append_entry(bundle_, as_bytes(leaf)); !done) return std::move(done).error();
    }
  }
  return TreeEdge(size, std::move(levels));
}

Result<void> Publisher::append(const std::string& leaf) {
  if (auto done = append_entry(bundle_, as_bytes(leaf)); !done) return done;
  return edge_->append(leaf_hash(as_bytes(leaf)), 0, [this](const TileId& id, std::span<const Hash> hashes) -> Result<void> {
    if (*id.level == 0) {
      if (auto done = store_.put({{}, id.index, kTileWidth}, bundle_); !done) return done;
      bundle_.clear();
      filled_.push_back({{}, id.index, kTileWidth});
    }
    filled_.push_back(id);
    return store_.put(id, encode_tile(hashes));
  });
}

Result<bool> Publisher::write_pending(std::uint64_t end) {
  end = std::min(end, edge_->size() + kLeavesInOneCheckpoint);
  while (edge_->size() < end) {
    auto leaves = outbox_.pending(edge_->size(), std::min<std::uint64_t>(kLeavesAtOnce, end - edge_->size()));
    if (!leaves) return std::move(leaves).error().within("couldn't read the pending records");
    if (leaves->empty()) return false;
    for (const auto& leaf : *leaves) {
      if (auto done = append(leaf); !done) return std::move(done).error();
    }
  }
  return true;
}

Result<void> Publisher::write_partials() {
  const std::uint64_t size = edge_->size();
  if (const unsigned width = partial_width(0, size); width > 0) {
    if (auto done = store_.put({{}, full_tiles(0, size), width}, bundle_); !done) return done;
  }
  for (const TileId& id : partial_tiles(size)) {
    if (auto done = store_.put(id, encode_tile(edge_->hashes(*id.level))); !done) return done;
  }
  return store_.sync();
}

Result<void> Publisher::sign_and_publish(const Signer& signer, WallTime now) {
  const Checkpoint next{keys_.origin(), edge_->size(), edge_->root(), {}};
  auto note = sign_checkpoint(next, signer);
  if (!note) return std::move(note).error().within("couldn't sign the checkpoint");
  if (auto done = outbox_.store_signed(*note, next.size); !done) {
    return std::move(done).error().within("couldn't store the signed checkpoint");
  }
  archive_at(now);
  last_ = next;
  last_note_ = *std::move(note);
  last_time_ = now;
  if (auto done = store_.publish(last_note_); !done) return done;
  // From here on nothing can fail that matters: what is not cleaned up now is cleaned up at the next bundle.
  for (const TileId& id : filled_) store_.remove_partials(id);
  if (!filled_.empty()) (void)outbox_.drop_below(full_tiles(0, last_.size) * kTileWidth);
  filled_.clear();
  return {};
}

// What an auditor needs to go from one key to the next is in place before the next one signs. Does nothing where no epoch ends.
Result<void> Publisher::end_epoch() {
  const auto keys = keys_.begun(last_.size + 1);
  const bool ends = last_.size > 0 && keys.size() > keys_.begun(last_.size).size();
  if (ends) {
    if (auto done = store_.archive(last_.size, last_note_); !done) return done;
  }
  return store_.write_keys(log_keys_text(keys));
}

// The last checkpoint of every hour is kept; so the last of a day is among them.
void Publisher::archive_at(WallTime now) {
  if (last_note_.empty() || now.ns / kArchiveEveryNs == last_time_.ns / kArchiveEveryNs) return;
  // The published file also has the cosignatures that were added to it since.
  const auto published = LogReader(store_.directory()).checkpoint();
  // An archive that cannot be written makes the next hours' no worse.
  (void)store_.archive(last_.size, published && published->starts_with(last_note_) ? *published : last_note_);
}

}  // namespace sanad::audit
