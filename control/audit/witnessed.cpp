#include "control/audit/witnessed.hpp"

#include <algorithm>
#include <utility>

namespace sanad::audit {
namespace {

class Looker final {
 public:
  Looker(const LogReader& log, const Checkpoint& verified, std::span<const VerifierKey> log_keys, const Policy& policy)
      : verified_(verified), log_keys_(log_keys), nodes_(log.nodes(verified.size)), says_(policy.witnesses.size()) {
    for (const auto& witness : policy.witnesses) witnesses_.push_back(witness.key);
  }

  // Returns the size of the checkpoint.
  Result<std::uint64_t> look_at(const std::string& name, const std::string& note) {
    const auto about = [&name](Error error) {
      error.message = name + ": " + error.message;
      error.field = name;
      return error;
    };
    const auto opened = open_checkpoint(note, log_keys_, witnesses_);
    if (!opened) return about(opened.error());
    const Checkpoint& tree = opened->checkpoint;
    if (tree.origin != verified_.origin) return about({Errc::corrupt, "it is of another log, " + tree.origin});
    if (tree.size > verified_.size) {
      return about({Errc::corrupt, "the log once had " + std::to_string(tree.size) + " records and now has " +
                                       std::to_string(verified_.size) + ": it was cut short"});
    }
    const auto root = tree_root(tree.size, nodes_);
    if (!root) return root.error();
    if (*root != tree.root) {
      return about({Errc::corrupt,
                    "the log had another root when it had " + std::to_string(tree.size) + " records: its history was rewritten"});
    }
    for (const auto& signature : opened->signatures) {
      if (signature.key < log_keys_.size()) continue;
      auto& says = says_[signature.key - log_keys_.size()];
      if (std::pair(tree.size, signature.timestamp) > std::pair(says.size, says.timestamp))
        says = {tree.size, signature.timestamp};
    }
    return tree.size;
  }
  [[nodiscard]] std::vector<WitnessSays> take() { return std::move(says_); }

 private:
  const Checkpoint& verified_;
  std::span<const VerifierKey> log_keys_;
  ReadNode nodes_;
  std::vector<VerifierKey> witnesses_;
  std::vector<WitnessSays> says_;
};

}  // namespace

Result<std::vector<NamedCheckpoint>> cosigned_checkpoints(const LogReader& log) {
  std::vector<NamedCheckpoint> found;
  const auto add = [&found](const std::string& name, const Result<std::string>& note) -> Result<void> {
    // Replaced or gone since it was listed: what stands there now is of a larger log.
    if (!note) return note.error().code == Errc::not_found ? Result<void>() : Result<void>(note.error());
    const auto parsed = parse_note(*note);
    if (!parsed || parsed->signatures.size() > 1) found.push_back({name, *note});
    return {};
  };
  if (auto done = add(kCheckpointFile, log.checkpoint()); !done) return std::move(done).error();
  const auto names = log.cosigned_names();
  if (!names) return names.error();
  for (const auto& name : *names) {
    auto done = add(std::string(kCosignedDirectory) + "/" + name, log.cosigned_checkpoint(name));
    if (!done) return std::move(done).error();
  }
  const auto sizes = log.archived_sizes();
  if (!sizes) return sizes.error();
  for (const std::uint64_t size : *sizes) {
    auto done = add(std::string(kArchiveDirectory) + "/" + std::to_string(size), log.archived_checkpoint(size));
    if (!done) return std::move(done).error();
  }
  return found;
}

Result<Witnessed> check_witnesses(const LogReader& log, const Checkpoint& verified, std::span<const VerifierKey> log_keys,
                                  const Policy& policy, std::span<const NamedCheckpoint> own,
                                  std::span<const NamedCheckpoint> kept) {
  Looker looker(log, verified, log_keys, policy);
  Witnessed witnessed;
  for (const auto& checkpoint : own) {
    if (const auto size = looker.look_at(checkpoint.name, checkpoint.note); !size) return size.error();
  }
  for (const auto& checkpoint : kept) {
    const auto size = looker.look_at(checkpoint.name, checkpoint.note);
    if (!size) return size.error();
    witnessed.kept = std::max(witnessed.kept, *size);
  }
  witnessed.by = looker.take();
  std::vector<std::uint64_t> vouched;
  for (const auto& says : witnessed.by) vouched.push_back(says.size);
  witnessed.quorum = quorum_size(policy, vouched);
  return witnessed;
}

}  // namespace sanad::audit
