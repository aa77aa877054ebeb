#include "control/audit/key_following.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "control/audit/checkpoint.hpp"
#include "control/audit/leaf_read.hpp"
#include "control/audit/log_facts.hpp"
#include "control/audit/origin.hpp"

namespace sanad::audit {
namespace {

class Follower final {
 public:
  Follower(const LogReader& log, std::vector<EpochKey> listed, std::vector<std::uint64_t> sizes, std::uint64_t latest)
      : log_(log), listed_(std::move(listed)), sizes_(std::move(sizes)), latest_(latest) {}

  // The key after listed_[at], when that one vouches for it.
  [[nodiscard]] std::optional<VerifierKey> after(std::size_t at) const {
    const auto tree = last_tree_of(at);
    if (!tree) return std::nullopt;
    const auto announced = announced_by(*tree);
    const EpochKey& next = listed_[at + 1];
    const KeyAnnouncement want{next.epoch, to_vkey(next.key), first_record_of(tree->origin) + tree->size};
    if (!announced || *announced != want) return std::nullopt;
    return next.key;
  }
  [[nodiscard]] const std::vector<EpochKey>& listed() const { return listed_; }

 private:
  // The archive grows with the epochs, so the last checkpoint that claims a key of this epoch or an earlier one is the one to
  // check.
  [[nodiscard]] std::optional<Checkpoint> last_tree_of(std::size_t at) const {
    const auto end =
        std::partition_point(sizes_.begin(), sizes_.end(), [&](std::uint64_t size) { return claims_up_to(size, at); });
    if (end == sizes_.begin()) return std::nullopt;
    const auto note = log_.archived_checkpoint(*std::prev(end));
    if (!note) return std::nullopt;
    auto opened = open_checkpoint(*note, {&listed_[at].key, 1});
    if (!opened || opened->checkpoint.size != *std::prev(end)) return std::nullopt;
    return std::move(opened->checkpoint);
  }

  [[nodiscard]] bool claims_up_to(std::uint64_t size, std::size_t at) const {
    const auto text = log_.archived_checkpoint(size);
    const auto note = text ? parse_note(*text) : Result<SignedNote>(Error{});
    if (!note) return false;
    return std::any_of(note->signatures.begin(), note->signatures.end(), [&](const NoteSignature& signature) {
      return std::any_of(listed_.begin(), listed_.begin() + static_cast<std::ptrdiff_t>(at) + 1, [&](const EpochKey& key) {
        return key_id(key.key) == signature.key_id && key.key.name == signature.name;
      });
    });
  }

  // What the tree's last record announces, once it is known to be its last record.
  [[nodiscard]] std::optional<KeyAnnouncement> announced_by(const Checkpoint& tree) const {
    const std::uint64_t index = tree.size - 1;
    const std::uint64_t number = index / kTileWidth;
    const auto width = static_cast<unsigned>(std::min<std::uint64_t>(kTileWidth, latest_ - number * kTileWidth));
    Bundle bundle;
    if (latest_ < tree.size || !log_.entries(number, width, bundle)) return std::nullopt;
    const auto entry = bundle.entries[index % kTileWidth];
    const auto proof = inclusion_proof(index, tree.size, log_.nodes(latest_));
    if (!proof || !verify_inclusion(leaf_hash(entry), index, tree.size, *proof, tree.root)) return std::nullopt;
    const auto leaf = read_leaf({reinterpret_cast<const char*>(entry.data()), entry.size()});
    const auto fact = leaf ? log_fact(leaf->event) : Result<LogFact>(Error{});
    if (!fact || !std::holds_alternative<KeyAnnouncement>(*fact)) return std::nullopt;
    return std::get<KeyAnnouncement>(*fact);
  }

  const LogReader& log_;
  std::vector<EpochKey> listed_;
  std::vector<std::uint64_t> sizes_;  // of the archive, ascending
  std::uint64_t latest_;              // what the checkpoint claims: where to find tiles, nothing more
};

std::optional<Follower> follower_of(const LogReader& log) {
  auto listed = log.keys();
  auto sizes = log.archived_sizes();
  const auto text = log.checkpoint();
  if (!listed || !sizes || !text) return std::nullopt;
  const auto note = parse_note(*text);
  if (!note) return std::nullopt;
  const auto latest = parse_checkpoint(note->text);
  if (!latest) return std::nullopt;
  return Follower(log, *std::move(listed), *std::move(sizes), latest->size);
}

}  // namespace

std::vector<VerifierKey> follow_keys(const LogReader& log, std::vector<VerifierKey> known) {
  const auto follower = follower_of(log);
  if (!follower) return known;
  const auto is_known = [&](const VerifierKey& key) { return std::find(known.begin(), known.end(), key) != known.end(); };
  for (std::size_t at = 0; at + 1 < follower->listed().size(); ++at) {
    if (!is_known(follower->listed()[at].key) || is_known(follower->listed()[at + 1].key)) continue;
    const auto next = follower->after(at);
    if (next) known.push_back(*next);
  }
  return known;
}

}  // namespace sanad::audit
