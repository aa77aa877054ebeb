#include "control/audit/verifier.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "control/audit/leaf_read.hpp"
#include "control/audit/tree_edge.hpp"

namespace sanad::audit {
namespace {

// Bundles are checked by all threads in windows of this many, and their results joined in order after each.
constexpr std::uint64_t kWindow = 512;

struct Order {
  std::int64_t first_ms = 0, last_ms = 0;
  std::uint64_t first_epoch = 0, last_epoch = 0;
  std::uint64_t steps_back = 0;
};

struct CheckedBundle {
  Hash root{};                 // of a full one
  std::vector<Hash> hashes;    // of a partial one
  std::optional<Order> order;  // nothing: past retention, its records are gone
};

Error at_record(std::uint64_t index, const std::string& file, std::string why) {
  return {Errc::corrupt, file + ": record " + std::to_string(index) + ": " + std::move(why), file};
}

std::string epoch_went_back(std::uint64_t from, std::uint64_t to) {
  return "its epoch is " + std::to_string(to) + " after " + std::to_string(from);
}

class BundleChecker final {
 public:
  BundleChecker(const LogReader& log, const std::vector<EpochKey>& epochs, RetentionLookup& retention)
      : log_(log), epochs_(epochs), retention_(retention) {}

  Result<CheckedBundle> check(std::uint64_t number, unsigned width) {
    const std::string file = tile_path({{}, number, width});
    auto read = log_.entries(number, width, bundle_);
    if (!read && read.error().code != Errc::not_found) return std::move(read).error();
    const auto tile = log_.hashes({0, number, width});
    if (!tile) return tile.error();
    CheckedBundle checked;
    if (!read) {
      const auto covered = retention_.covers(number);
      if (!covered) return covered.error();
      if (!*covered) {
        return Error{Errc::not_found, file + ": missing, and no retention record of the log says that it was to be deleted",
                     file};
      }
      checked.root = subtree_root(*tile);
      return checked;
    }
    hashes_.resize(width);
    Order& order = checked.order.emplace();
    for (unsigned i = 0; i < width; ++i) {
      const std::uint64_t index = number * kTileWidth + i;
      const auto entry = bundle_.entries[i];
      hashes_[i] = leaf_hash(entry);
      if (hashes_[i] != (*tile)[i]) {
        return at_record(index, file, "it does not have the hash that " + tile_path({0, number, width}) + " has for it");
      }
      const auto leaf = read_leaf({reinterpret_cast<const char*>(entry.data()), entry.size()});
      if (!leaf) return at_record(index, file, leaf.error().message);
      if (leaf->index != index) return at_record(index, file, "it says it is record " + std::to_string(leaf->index));
      if (auto why = check_order(*leaf, i == 0, order); !why.empty()) return at_record(index, file, why);
    }
    if (width == kTileWidth) {
      checked.root = subtree_root(hashes_);
    } else {
      checked.hashes = hashes_;
    }
    return checked;
  }

 private:
  std::string check_order(const LeafView& leaf, bool first, Order& order) const {
    if (first) {
      order.first_ms = order.last_ms = leaf.time_ms;
      order.first_epoch = order.last_epoch = leaf.epoch;
    }
    if (leaf.epoch < order.last_epoch) return epoch_went_back(order.last_epoch, leaf.epoch);
    if (!epochs_.empty() && (first || leaf.epoch != order.last_epoch) &&
        std::none_of(epochs_.begin(), epochs_.end(), [&](const EpochKey& key) { return key.epoch == leaf.epoch; })) {
      return "there is no key of its epoch " + std::to_string(leaf.epoch);
    }
    if (leaf.time_ms < order.last_ms) ++order.steps_back;
    order.last_ms = leaf.time_ms;
    order.last_epoch = leaf.epoch;
    return {};
  }

  const LogReader& log_;
  const std::vector<EpochKey>& epochs_;
  RetentionLookup& retention_;
  Bundle bundle_;
  std::vector<Hash> hashes_;
};

class Run final {
 public:
  Run(const LogReader& log, const VerifyOptions& options, const std::vector<EpochKey>& epochs, std::uint64_t size)
      : log_(log), options_(options), epochs_(epochs), size_(size), retention_(log, size) {}

  // Checks every record and every tile; on success edge() has the tree.
  Result<void> bundles(VerifiedLog& into) {
    const std::uint64_t count = full_tiles(0, size_) + (partial_width(0, size_) > 0 ? 1 : 0);
    for (std::uint64_t from = 0; from < count; from += kWindow) {
      const std::uint64_t to = std::min(count, from + kWindow);
      auto checked = window(from, to);
      // What stands before the bad bundle is joined too: a tile above it may be the first that is wrong.
      for (std::uint64_t number = from; number < from + checked.good.size(); ++number) {
        if (auto done = join(number, checked.good[number - from], into); !done) return done;
      }
      if (checked.failure) return *std::move(checked.failure);
      if (options_.progress) options_.progress(edge_.size(), size_);
    }
    for (const TileId& id : partial_tiles(size_)) {
      const auto there = log_.hashes(id);
      if (!there) return there.error();
      if (auto done = compare(id, edge_.hashes(*id.level), *there); !done) return done;
    }
    return {};
  }
  [[nodiscard]] const TreeEdge& edge() const { return edge_; }
  [[nodiscard]] std::uint64_t last_epoch() const { return epoch_; }
  // Set when a bundle was missing.
  [[nodiscard]] std::optional<PastRetention> past_retention() const { return retention_.found(); }

 private:
  struct Window {
    std::vector<CheckedBundle> good;  // up to the first bad one
    std::optional<Error> failure;
  };

  [[nodiscard]] unsigned width_of(std::uint64_t number) const {
    return number < full_tiles(0, size_) ? kTileWidth : partial_width(0, size_);
  }

  // A thread takes the next bundle until one is bad; those below it are all taken by then and are finished, so the lowest is
  // found.
  Window window(std::uint64_t from, std::uint64_t to) {
    std::vector<CheckedBundle> checked(to - from);
    std::atomic<std::uint64_t> next = from;
    std::mutex mutex;
    std::uint64_t bad = std::numeric_limits<std::uint64_t>::max();  // guarded by mutex
    std::optional<Error> failure;                                   // guarded by mutex
    std::atomic<bool> stop = false;
    const auto work = [&] {
      BundleChecker checker(log_, epochs_, retention_);
      while (!stop) {
        const std::uint64_t number = next++;
        if (number >= to) return;
        auto result = checker.check(number, width_of(number));
        if (result) {
          checked[number - from] = *std::move(result);
          continue;
        }
        stop = true;
        const std::lock_guard lock(mutex);
        if (number >= bad) continue;
        bad = number;
        failure = std::move(result).error();
      }
    };
    std::vector<std::thread> helpers;
    const auto wanted = std::min<std::uint64_t>(std::max(1U, options_.threads), to - from);
    for (std::uint64_t i = 1; i < wanted; ++i) helpers.emplace_back(work);
    work();
    for (auto& helper : helpers) helper.join();
    if (failure) checked.resize(bad - from);
    return {std::move(checked), std::move(failure)};
  }

  Result<void> join(std::uint64_t number, const CheckedBundle& checked, VerifiedLog& into) {
    const std::uint64_t index = number * kTileWidth;
    if (checked.order) {
      const Order& order = *checked.order;
      if (order.first_epoch < epoch_) {
        return at_record(index, tile_path({{}, number, width_of(number)}), epoch_went_back(epoch_, order.first_epoch));
      }
      epoch_ = order.last_epoch;
      if (!into.first_ms) into.first_ms = order.first_ms;
      if (into.last_ms && order.first_ms < *into.last_ms) ++into.clock_steps_back;
      into.clock_steps_back += order.steps_back;
      into.last_ms = order.last_ms;
    }
    const auto full = [this](const TileId& id, std::span<const Hash> hashes) -> Result<void> {
      if (*id.level == 0) return {};
      const auto there = log_.hashes(id);
      if (!there) return there.error();
      return compare(id, hashes, *there);
    };
    if (checked.hashes.empty()) return edge_.append(checked.root, 1, full);
    for (const Hash& hash : checked.hashes) {
      if (auto done = edge_.append(hash, 0, full); !done) return done;
    }
    return {};
  }

  static Result<void> compare(const TileId& id, std::span<const Hash> computed, std::span<const Hash> there) {
    const auto differ = std::ranges::mismatch(computed, there).in1;
    if (differ == computed.end()) return {};
    const auto position = static_cast<std::uint64_t>(differ - computed.begin());
    const std::uint64_t first = (id.index * kTileWidth + position) << (kTileHeight * *id.level);
    return at_record(first, tile_path(id),
                     "hash " + std::to_string(position) + " is not that of the records below, which begin here");
  }

  const LogReader& log_;
  const VerifyOptions& options_;
  const std::vector<EpochKey>& epochs_;
  std::uint64_t size_;
  RetentionLookup retention_;
  TreeEdge edge_;
  std::uint64_t epoch_ = 0;
};

Error about(const std::string& file, Error error) {
  error.message = file + ": " + error.message;
  error.field = file;
  return error;
}

Result<void> check_archive(const LogReader& log, const std::vector<VerifierKey>& keys, VerifiedLog& into) {
  const auto sizes = log.archived_sizes();
  if (!sizes) return sizes.error();
  const auto nodes = log.nodes(into.checkpoint.size);
  for (const std::uint64_t size : *sizes) {
    const std::string file = std::string(kArchiveDirectory) + "/" + std::to_string(size);
    const auto note = log.archived_checkpoint(size);
    if (!note) return note.error();
    const auto opened = open_checkpoint(*note, keys);
    if (!opened) return about(file, opened.error());
    const Checkpoint& earlier = opened->checkpoint;
    if (earlier.origin != into.checkpoint.origin) return about(file, {Errc::corrupt, "it is of another log, " + earlier.origin});
    if (earlier.size != size) return about(file, {Errc::corrupt, "it is of size " + std::to_string(earlier.size)});
    if (size > into.checkpoint.size) {
      return about(file, {Errc::corrupt, "the log once had " + std::to_string(size) + " records and now has " +
                                             std::to_string(into.checkpoint.size) + ": it was cut short"});
    }
    const auto root = tree_root(size, nodes);
    if (!root) return root.error();
    if (*root != earlier.root) return about(file, {Errc::corrupt, "the log had another root then: its history was rewritten"});
    ++into.archived;
  }
  return {};
}

}  // namespace

Result<VerifiedLog> verify_log(const LogReader& log, const VerifyOptions& options) {
  auto note = log.checkpoint();
  if (!note) {
    if (note.error().code == Errc::not_found)
      return Error{Errc::not_found, "no log there: it has no checkpoint", kCheckpointFile};
    return std::move(note).error();
  }
  VerifiedLog verified;
  std::vector<EpochKey> epochs;
  std::vector<VerifierKey> keys = options.keys;
  if (keys.empty()) {
    auto own = log.keys();
    if (!own) return std::move(own).error();
    epochs = *std::move(own);
    for (const auto& epoch : epochs) keys.push_back(epoch.key);
    verified.by_its_own_keys = true;
  }
  auto opened = open_checkpoint(*note, keys);
  if (!opened) return about(kCheckpointFile, std::move(opened).error());
  verified.checkpoint = std::move(opened->checkpoint);
  // open_checkpoint() has seen one such; the latest epoch's counts.
  std::size_t signer = 0;
  for (const auto& signature : opened->signatures) {
    if (keys[signature.key].name == verified.checkpoint.origin) signer = signature.key;
  }
  verified.signed_by = to_vkey(keys[signer]);

  Run run(log, options, epochs, verified.checkpoint.size);
  if (auto done = run.bundles(verified); !done) return std::move(done).error();
  verified.past_retention = run.past_retention();
  if (run.edge().root() != verified.checkpoint.root) {
    return about(kCheckpointFile, {Errc::corrupt, "its root is not that of the " + std::to_string(verified.checkpoint.size) +
                                                      " records: one of them was changed together with its tiles"});
  }
  if (!epochs.empty() && run.last_epoch() > epochs[signer].epoch) {
    return about(kCheckpointFile, {Errc::corrupt, "it is signed by a key that was retired before the last records were made"});
  }
  if (auto done = check_archive(log, keys, verified); !done) return std::move(done).error();
  return verified;
}

}  // namespace sanad::audit
