#pragma once
// Pending leaves -> tiles, bundles and signed checkpoints. One thread.
//
// Order of durability: the ledger has committed the leaves; full tiles and bundles are written, then the partial ones of the size
// to be published; files and directories are fsynced; the checkpoint is signed and stored in the ledger, durably; only then it is
// renamed into place. A kill between any two of these leaves a log that verifies and an outbox that carries on.
//
// It never signs a smaller tree, nor the size it has signed before with another root. At the end of an epoch it signs the tree
// that ends there, with the epoch's key, and keeps that checkpoint in the archive for good, before anything is signed with the
// next key.

#include <optional>
#include <string>
#include <vector>

#include "control/audit/checkpoint.hpp"
#include "control/audit/log_store.hpp"
#include "control/audit/note.hpp"
#include "control/audit/signing_keys.hpp"
#include "control/audit/tree_edge.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::audit {

// The ledger, as the publisher needs it. Calls block until done; success means durable. Errors: unavailable, io.
class Outbox {
 public:
  virtual ~Outbox() = default;
  // The checkpoint signed last; empty: none was ever.
  virtual Result<std::string> signed_checkpoint() = 0;
  // Leaves from index `from` on, without a gap, at most `limit`, above 256 perhaps fewer when they are large; none when there
  // are none. Those not dropped are there.
  virtual Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) = 0;
  virtual Result<void> store_signed(const std::string& note, std::uint64_t size) = 0;
  // The leaves below `index` stand in full bundles that a stored checkpoint covers. May return before they are gone.
  virtual Result<void> drop_below(std::uint64_t index) = 0;
};

struct Published {
  Checkpoint checkpoint;
  bool changed = false;  // a new checkpoint was signed
  bool more = false;     // leaves are waiting: publish again at once
};

class Publisher final {
 public:
  // `outbox` and `keys` outlive it.
  Publisher(LogStore store, Outbox& outbox, SigningKeys& keys);

  // Publishes what is pending, up to a bounded number of leaves. The first call, and the first after an error, begins with
  // holding the directory against the outbox: corrupt when the log is ahead of it, beside it, or does not have the root that was
  // signed; then nothing is written, and a person has to look. Other errors (io, unavailable): try again later, which is of use
  // unless broken() says otherwise.
  Result<Published> publish(WallTime now);
  // See LogStore.
  [[nodiscard]] bool broken() const { return store_.broken(); }

 private:
  Result<void> load(WallTime now);
  Result<TreeEdge> rebuild(std::uint64_t size);
  [[nodiscard]] Result<std::optional<Checkpoint>> published_checkpoint(const Checkpoint& last) const;
  Result<void> take_up(const std::optional<Checkpoint>& published);
  Result<bool> write_pending(std::uint64_t end);
  Result<void> write_partials();
  Result<void> sign_and_publish(const Signer& signer, WallTime now);
  Result<void> end_epoch();
  Result<void> append(const std::string& leaf);
  void archive_at(WallTime now);

  LogStore store_;
  Outbox& outbox_;
  SigningKeys& keys_;
  std::optional<TreeEdge> edge_;  // nothing: to be loaded
  Bytes bundle_;                  // the entries of the bundle that is not full
  std::vector<TileId> filled_;    // full tiles no checkpoint covers yet
  Checkpoint last_;               // what was signed last
  std::string last_note_;         // empty: nothing was
  WallTime last_time_;            // when it was
};

}  // namespace sanad::audit
