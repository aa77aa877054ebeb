#pragma once
// Where a session is found by its peer and its addresses, and a disclosure by its person. Each new row belongs somewhere else in
// these indexes, so each costs a page of its own, written, summed and moved: more than all the rest of a commit. A commit of many
// rows therefore leaves most of them out, "late", and they are put in, sorted, when nobody waits: thousands at a time share the
// pages. Until then the views `sessions_of_peer`, `sessions_at_address` and `disclosures_of_owner` (schema.cpp) find them by
// looking at the late rows one by one; whoever asks uses these and need not know.
//
// Storage thread only, inside a transaction; throws SQLite::Exception on storage trouble.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "control/ledger/waiting_rows.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::ledger {

class Store;

class LateIndexes final {
 public:
  // Rows of a commit that go into the indexes at once: an admin's day never has more, so nothing is late then.
  static constexpr std::size_t kAtOnce = 32;
  // When so many are late, some are put in although others wait: as many as the peers of the largest device make when all come
  // back, so that no such burst pays for it. Measured with half as many: 0.1 s for a question by peer, address or person (0.8 s
  // when the rows have to come from the disk), 0.35 s for the newest session of every peer.
  static constexpr std::int64_t kMostLate = 1 << 20;
  // Put in with one commit, for which a change waits: 15 to 35 ms, seen on two cores.
  static constexpr std::int64_t kSettledAtOnce = 4096;
  // The range of late rows is written with room for so many that are to come.
  static constexpr std::int64_t kRoom = 256;

  // After the rows themselves were inserted.
  void added(Store& store, const WaitingRows& rows);

  void begin_commit();
  // After any rollback, and when sessions were deleted.
  void forget() {
    ranges_.reset();
    newest_.reset();
  }

  // When the peer's newest late session began. Looks at the late rows once, not once a peer: a list of peers asks for each.
  std::optional<WallTime> newest_of(Store& store, const std::string& peer_id);

  [[nodiscard]] bool anything_late(Store& store);
  [[nodiscard]] bool too_many_late(Store& store);
  // Puts some in: kSettledAtOnce of each kind at most.
  void settle(Store& store);

 private:
  struct Range {
    const char* kind;
    std::int64_t first = 0;
    std::int64_t last = -1;
    std::size_t at_once = 0;  // in this commit

    [[nodiscard]] bool empty() const { return last < first; }
    [[nodiscard]] bool has(std::int64_t row) const { return first <= row && row <= last; }
  };
  struct Ranges {
    Range sessions{"sessions"};
    Range disclosures{"disclosures"};
  };
  Ranges& ranges(Store& store);
  void sessions_added(Store& store, const NewRows& rows);
  void endpoints_added(Store& store, const NewRows& rows);
  void disclosures_added(Store& store, const NewRows& rows);
  // Whether `row`, the highest of its table, is late.
  static bool leave_out(Store& store, Range& range, std::int64_t row);
  static void write(Store& store, const Range& range);
  // The first rows of the range, that are late no more.
  struct Part {
    std::int64_t from;
    std::int64_t to;
  };
  static std::optional<Part> take(Store& store, Range& range);

  std::optional<std::unordered_map<std::string, WallTime>> newest_;  // by peer, of the late sessions; unset: not counted
  std::optional<Ranges> ranges_;                                     // as stored; unset: not read yet
};

}  // namespace sanad::ledger
