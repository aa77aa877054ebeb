#include "control/audit/verifier.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "control/audit/leaf_read.hpp"
#include "control/audit/origin.hpp"
#include "control/audit/tree_edge.hpp"

namespace sanad::audit {
namespace {

// Bundles are checked by all threads in windows of this many, and their results joined in order after each.
constexpr std::uint64_t kWindow = 512;

struct Order {
  std::int64_t first_ms = 0, last_ms = 0;
  std::uint64_t steps_back = 0;
};

struct CheckedBundle {
  Hash root{};                 // of a full one
  std::vector<Hash> hashes;    // of a partial one
  std::optional<Order> order;  // nothing: past retention, its records are gone
  std::vector<EpochSpan> spans;
  std::vector<FoundFact> facts;
};

Error at_record(std::uint64_t index, const std::string& file, std::string why) {
  return {Errc::corrupt, file + ": record " + std::to_string(index) + ": " + std::move(why), file};
}

class BundleChecker final {
 public:
  BundleChecker(const LogReader& log, RetentionLookup& retention, std::uint64_t first_record)
      : log_(log), retention_(retention), first_record_(first_record) {}

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
    bool announced = false;
    for (unsigned i = 0; i < width; ++i) {
      const std::uint64_t index = first_record_ + number * kTileWidth + i;
      const auto entry = bundle_.entries[i];
      hashes_[i] = leaf_hash(entry);
      if (hashes_[i] != (*tile)[i]) {
        return at_record(index, file, "it does not have the hash that " + tile_path({0, number, width}) + " has for it");
      }
      const auto leaf = read_leaf({reinterpret_cast<const char*>(entry.data()), entry.size()});
      if (!leaf) return at_record(index, file, leaf.error().message);
      if (leaf->index != index) return at_record(index, file, "it says it is record " + std::to_string(leaf->index));
      note_time(*leaf, i == 0, order);
      note_epoch(*leaf, announced, checked.spans);
      auto fact = log_fact(leaf->event);
      if (!fact) return at_record(index, file, fact.error().message);
      announced = std::holds_alternative<KeyAnnouncement>(*fact);
      if (fact->index() != 0) checked.facts.push_back({index, leaf->time_ms, *std::move(fact)});
    }
    if (width == kTileWidth) {
      checked.root = subtree_root(hashes_);
    } else {
      checked.hashes = hashes_;
    }
    return checked;
  }

 private:
  static void note_time(const LeafView& leaf, bool first, Order& order) {
    if (first) order.first_ms = order.last_ms = leaf.time_ms;
    if (leaf.time_ms < order.last_ms) ++order.steps_back;
    order.last_ms = leaf.time_ms;
  }

  static void note_epoch(const LeafView& leaf, bool behind_announcement, std::vector<EpochSpan>& spans) {
    if (spans.empty() || behind_announcement || spans.back().epoch != leaf.epoch) {
      spans.push_back({leaf.epoch, leaf.index, leaf.time_ms, leaf.index, leaf.time_ms, leaf.index});
      return;
    }
    EpochSpan& span = spans.back();
    if (leaf.time_ms < span.earliest_ms) {
      span.earliest_ms = leaf.time_ms;
      span.earliest_at = leaf.index;
    }
    if (leaf.time_ms > span.latest_ms) {
      span.latest_ms = leaf.time_ms;
      span.latest_at = leaf.index;
    }
  }

  const LogReader& log_;
  RetentionLookup& retention_;
  std::uint64_t first_record_;
  Bundle bundle_;
  std::vector<Hash> hashes_;
};

class Run final {
 public:
  Run(const LogReader& log, const VerifyOptions& options, EpochChain& epochs, std::uint64_t size)
      : log_(log),
        options_(options),
        epochs_(epochs),
        size_(size),
        first_record_(first_record_of(epochs.origin())),
        retention_(log, size, first_record_) {}

  // Checks every record and every tile; on success edge() has the tree.
  Result<void> bundles(VerifiedLog& into) {
    const std::uint64_t count = full_tiles(0, size_) + (partial_width(0, size_) > 0 ? 1 : 0);
    for (std::uint64_t from = 0; from < count; from += kWindow) {
      const std::uint64_t to = std::min(count, from + kWindow);
      auto checked = window(from, to);
      // What stands before the bad bundle is joined too: a tile above it may be the first that is wrong.
      for (const CheckedBundle& bundle : checked.good) {
        if (auto done = join(bundle, into); !done) return done;
      }
      if (checked.failure) return *std::move(checked.failure);
      if (options_.progress) options_.progress(edge_.size(), size_);
    }
    for (const TileId& id : partial_tiles(size_)) {
      const auto there = log_.hashes(id);
      if (!there) return there.error();
      if (auto done = compare(id, edge_.hashes(*id.level), *there); !done) return done;
    }
    if (auto broken = epochs_.finish()) return break_at(*broken);
    return {};
  }
  [[nodiscard]] const TreeEdge& edge() const { return edge_; }
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
      BundleChecker checker(log_, retention_, first_record_);
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

  Result<void> join(const CheckedBundle& checked, VerifiedLog& into) {
    if (checked.order) {
      const Order& order = *checked.order;
      if (auto broken = epochs_.add(checked.spans, checked.facts)) return break_at(*broken);
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

  [[nodiscard]] Error break_at(ChainBreak broken) const {
    const std::uint64_t number = (broken.index - first_record_) / kTileWidth;
    return at_record(broken.index, tile_path({{}, number, width_of(number)}), std::move(broken.why));
  }

  [[nodiscard]] Result<void> compare(const TileId& id, std::span<const Hash> computed, std::span<const Hash> there) const {
    const auto differ = std::ranges::mismatch(computed, there).in1;
    if (differ == computed.end()) return {};
    const auto position = static_cast<std::uint64_t>(differ - computed.begin());
    const std::uint64_t first = (id.index * kTileWidth + position) << (kTileHeight * *id.level);
    return at_record(first_record_ + first, tile_path(id),
                     "hash " + std::to_string(position) + " is not that of the records below, which begin here");
  }

  const LogReader& log_;
  const VerifyOptions& options_;
  EpochChain& epochs_;
  std::uint64_t size_;
  std::uint64_t first_record_;
  RetentionLookup retention_;
  TreeEdge edge_;
};

Error about(const std::string& file, Error error) {
  error.message = file + ": " + error.message;
  error.field = file;
  return error;
}

// Of the epoch that the record is of; of all up to the first that is still told, when the record is past retention.
std::vector<VerifierKey> keys_for(std::uint64_t record, const EpochChain& chain, const std::vector<EpochKey>& listed) {
  const LogEpoch& first = chain.epochs().front();
  if (record >= first.first) return {chain.epoch_of(record).key};
  std::vector<VerifierKey> keys;
  for (const EpochKey& key : listed) {
    if (key.epoch <= first.epoch) keys.push_back(key.key);
  }
  return keys;
}

// The checkpoint in `file`: of this log, of `size` records, by the key of the epoch its last record is of, with the tree's root.
Result<void> check_earlier(const std::string& file, const std::string& note, std::uint64_t size, const EpochChain& epochs,
                           const std::vector<EpochKey>& listed, const Checkpoint& latest, const ReadNode& nodes) {
  const auto keys = keys_for(first_record_of(latest.origin) + size - 1, epochs, listed);
  const auto opened = open_checkpoint(note, keys);
  if (!opened) return about(file, opened.error());
  const Checkpoint& earlier = opened->checkpoint;
  if (earlier.origin != latest.origin) return about(file, {Errc::corrupt, "it is of another log, " + earlier.origin});
  if (earlier.size != size) return about(file, {Errc::corrupt, "it is of size " + std::to_string(earlier.size)});
  const auto root = tree_root(size, nodes);
  if (!root) return root.error();
  if (*root != earlier.root) return about(file, {Errc::corrupt, "the log had another root then: its history was rewritten"});
  return {};
}

std::string archive_file(std::uint64_t size) { return std::string(kArchiveDirectory) + "/" + std::to_string(size); }

// `before`: what was there before the checkpoint was read; what came later may be of later trees.
Result<void> check_archive(const LogReader& log, const std::vector<std::uint64_t>& before, const EpochChain& epochs,
                           const std::vector<EpochKey>& listed, VerifiedLog& into) {
  const auto sizes = log.archived_sizes();
  if (!sizes) return sizes.error();
  const std::uint64_t latest = into.checkpoint.size;
  const auto nodes = log.nodes(latest);
  for (const std::uint64_t size : *sizes) {
    const std::string file = archive_file(size);
    if (size > latest) {
      if (!std::ranges::binary_search(before, size)) continue;
      return about(file, {Errc::corrupt, "the log once had " + std::to_string(size) + " records and now has " +
                                             std::to_string(latest) + ": it was cut short"});
    }
    if (size == 0) return about(file, {Errc::corrupt, "no checkpoint of an empty log is ever signed"});
    const auto note = log.archived_checkpoint(size);
    if (!note) return note.error();
    if (auto done = check_earlier(file, *note, size, epochs, listed, into.checkpoint, nodes); !done) return done;
    ++into.archived;
  }
  for (const LogEpoch& epoch : epochs.epochs()) {
    if (!epoch.end) continue;
    const std::uint64_t size = *epoch.end - into.first_record;
    if (size == latest || std::ranges::binary_search(*sizes, size)) continue;
    return about(archive_file(size),
                 {Errc::corrupt, "it is missing: the last checkpoint by the key of epoch " + std::to_string(epoch.epoch) +
                                     ", without which nothing vouches for the next key"});
  }
  return {};
}

// What the directory lists must be what the records announce; a key announced by the very last of them may be there already.
Result<void> check_key_list(const std::vector<EpochKey>& listed, const EpochChain& chain, bool past_retention,
                            std::uint64_t end) {
  const auto& epochs = chain.epochs();
  const auto same = [](const EpochKey& key, const LogEpoch& epoch) { return key.epoch == epoch.epoch && key.key == epoch.key; };
  // Epochs of records past retention are in the list alone.
  const auto from = std::find_if(listed.begin(), listed.end(), [&](const EpochKey& key) {
    return !past_retention || (!epochs.empty() && key.epoch == epochs.front().epoch);
  });
  const auto [at, epoch] = std::mismatch(from, listed.end(), epochs.begin(), epochs.end(), same);
  if (at != listed.end()) {
    return about(kKeysFile, {Errc::corrupt, "its key of epoch " + std::to_string(at->epoch) + " is not what the records say"});
  }
  if (epoch == epochs.end() || epoch->first == end) return {};
  return about(kKeysFile, {Errc::corrupt, "it lacks the key of epoch " + std::to_string(epoch->epoch)});
}

// The list is held against the records later.
Result<void> check_pins(const std::vector<VerifierKey>& pins, const std::vector<EpochKey>& listed, const std::string& origin) {
  bool found = pins.empty();
  for (const VerifierKey& pin : pins) {
    if (pin.name != origin) continue;
    found = std::any_of(listed.begin(), listed.end(), [&](const EpochKey& key) { return key.key == pin; });
    if (!found) break;
  }
  if (found) return {};
  return Error{Errc::permission_denied, "the key that was given is none of this log's", kKeysFile,
               "compare it with what the gateway printed: sanad log key"};
}

}  // namespace

Result<VerifiedLog> verify_log(const LogReader& log, const VerifyOptions& options) {
  const auto head = log.head();
  if (!head) {
    if (head.error().code == Errc::not_found && head.error().field == kCheckpointFile)
      return Error{Errc::not_found, "no log there: it has no checkpoint", kCheckpointFile};
    return head.error();
  }
  const std::vector<EpochKey>& listed = head->keys;
  std::vector<VerifierKey> keys;
  for (const auto& epoch : listed) keys.push_back(epoch.key);
  auto opened = open_checkpoint(head->checkpoint, keys);
  if (!opened) return about(kCheckpointFile, std::move(opened).error());
  VerifiedLog verified;
  verified.by_its_own_keys = options.keys.empty();
  verified.checkpoint = std::move(opened->checkpoint);
  const Checkpoint& tree = verified.checkpoint;
  verified.first_record = first_record_of(tree.origin);
  EpochChain epochs(tree.origin, listed);
  if (auto good = check_pins(options.keys, listed, tree.origin); !good) return std::move(good).error();

  Run run(log, options, epochs, tree.size);
  if (auto done = run.bundles(verified); !done) return std::move(done).error();
  verified.past_retention = run.past_retention();
  if (run.edge().root() != tree.root) {
    return about(kCheckpointFile, {Errc::corrupt, "its root is not that of the " + std::to_string(tree.size) +
                                                      " records: one of them was changed together with its tiles"});
  }
  if (auto good = check_key_list(listed, epochs, verified.past_retention.has_value(), verified.first_record + tree.size); !good)
    return std::move(good).error();
  if (tree.size == 0) return about(kCheckpointFile, {Errc::corrupt, "no checkpoint of an empty log is ever signed"});
  const LogEpoch& last = epochs.epoch_of(verified.first_record + tree.size - 1);
  if (!open_checkpoint(head->checkpoint, {&last.key, 1})) {
    return about(kCheckpointFile, {Errc::corrupt, "it is not signed by the key of epoch " + std::to_string(last.epoch) +
                                                      ", of which its last record is"});
  }
  verified.signed_by = to_vkey(last.key);
  if (auto done = check_archive(log, head->archived, epochs, listed, verified); !done) return std::move(done).error();
  for (const LogEpoch& epoch : epochs.epochs()) {
    if (epoch.first < verified.first_record + tree.size) verified.epochs.push_back(epoch);
  }
  verified.registrations = epochs.registrations();
  return verified;
}

}  // namespace sanad::audit
