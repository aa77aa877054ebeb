#pragma once
// Which key signed which records, as the records themselves tell it: each epoch's key is announced by the last record of the
// epoch before, so that whoever trusts one key is led to all that follow. Pure; fed in the order of the log, memory grows with
// epochs only.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/audit/log_facts.hpp"
#include "control/audit/log_reader.hpp"

namespace sanad::audit {

// How far a record's time may lie outside its epoch without a record that says the clock was set: what happens between setting
// the clock and recording that, and the precision of that record.
constexpr std::int64_t kClockSlackMs = 2'000;

// Records one after another with the same epoch, none but the last of which announces a key.
struct EpochSpan {
  std::uint64_t epoch = 0;
  std::uint64_t first = 0;  // index of the first of them
  std::int64_t earliest_ms = 0;
  std::uint64_t earliest_at = 0;  // index of a record of that time
  std::int64_t latest_ms = 0;
  std::uint64_t latest_at = 0;
};

struct FoundFact {
  std::uint64_t index = 0;
  std::int64_t time_ms = 0;
  LogFact fact;
};

struct LogEpoch {
  std::uint64_t epoch = 0;
  VerifierKey key;
  std::uint64_t first = 0;               // index of its first record
  std::optional<std::uint64_t> end;      // one past its last record, which announces the next key; unset: it goes on
  std::optional<std::int64_t> begin_ms;  // time of its announcement; unset for the log's first
};

struct InstalledRegistration {
  std::uint64_t index = 0;  // of the record that says so
  std::string fingerprint;
};

struct ChainBreak {
  std::uint64_t index = 0;  // the record that is wrong
  std::string why;
};

class EpochChain final {
 public:
  // `first_keys`: what the first epoch's key is taken from; nothing in a log can vouch for that one.
  EpochChain(std::string origin, std::vector<EpochKey> first_keys)
      : origin_(std::move(origin)), first_keys_(std::move(first_keys)) {}

  // The next records: their spans, and the facts among them, both ascending. Returns what is wrong.
  std::optional<ChainBreak> add(std::span<const EpochSpan> spans, std::span<const FoundFact> facts);
  // After the last record.
  std::optional<ChainBreak> finish();

  [[nodiscard]] const std::string& origin() const { return origin_; }
  // Ascending without a gap; the last may be announced and have no record yet.
  [[nodiscard]] const std::vector<LogEpoch>& epochs() const { return epochs_; }
  [[nodiscard]] const std::vector<InstalledRegistration>& registrations() const { return registrations_; }
  // The epoch of a record; there must be one.
  [[nodiscard]] const LogEpoch& epoch_of(std::uint64_t index) const;

 private:
  struct Times {
    std::optional<EpochSpan> extent;
    std::int64_t set_back_ms = 0;  // by how much its records say the clock was set back
  };
  std::optional<ChainBreak> enter(const EpochSpan& span);
  std::optional<ChainBreak> begin_first(const EpochSpan& span);
  std::optional<ChainBreak> apply(const FoundFact& found);
  std::optional<ChainBreak> announce(const FoundFact& found, const KeyAnnouncement& key);
  [[nodiscard]] std::optional<ChainBreak> check_times(std::size_t epoch) const;
  [[nodiscard]] bool next_is_announced() const { return !epochs_.empty() && !times_.back().extent; }

  std::string origin_;
  std::vector<EpochKey> first_keys_;
  std::vector<LogEpoch> epochs_;
  std::vector<Times> times_;  // beside epochs_
  std::vector<InstalledRegistration> registrations_;
};

}  // namespace sanad::audit
