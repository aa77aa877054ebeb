#pragma once
// The gateway's side of one witness: when to ask, what an answer means, how far behind the witness is. Pure: time and answers go
// in, what to do next comes out.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/audit/add_checkpoint.hpp"
#include "control/audit/cosigned.hpp"
#include "control/audit/note.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::audit {

struct LaneSettings {
  std::chrono::nanoseconds interval = std::chrono::seconds{10};    // between two rounds that went well
  std::chrono::nanoseconds alarm_after = std::chrono::minutes{5};  // records uncovered for longer
};

enum class WitnessAlarm : std::uint8_t {
  none,
  behind,  // it has not cosigned for too long
  refused  // it has seen another history than this log's
};

// One request, as answered() needs it.
struct AskedWitness {
  std::uint64_t old_size = 0;
  std::uint64_t size = 0;
  std::string note_text;  // of the checkpoint
};

class WitnessLane final {
 public:
  WitnessLane(VerifierKey key, LaneSettings settings, Instant now)
      : key_(std::move(key)), settings_(settings), began_(now.boot) {}
  [[nodiscard]] const VerifierKey& key() const { return key_; }
  void configure(LaneSettings settings) { settings_ = settings; }
  // What it cosigned before this program started.
  void restore(const CosignedCheckpoint& cosigned, Instant now);

  // ---- asking: begin(), then answered() or failed() or nothing_new(); after `keep` kept() or failed() ----

  // Whether a round should begin now, in a log of so many records.
  [[nodiscard]] bool due(std::uint64_t records, BootTime now) const;
  // The size from which to prove that the log has grown.
  std::uint64_t begin(BootTime now);
  struct Next {
    enum class What : std::uint8_t { rest, ask_again, keep };
    What what = What::rest;
    std::uint64_t old_size = 0;  // ask_again: from here
    Cosignature cosignature{};   // keep: to be made durable
  };
  Next answered(unsigned status, std::string_view body, const AskedWitness& asked, BootTime now);
  // It gave no answer, or we could not do our part. `why`: our own words, never the witness's.
  void failed(std::string why, BootTime now);
  // The log is smaller than what the witness has cosigned of it.
  void log_is_smaller(std::uint64_t known, std::uint64_t size, BootTime now);
  void nothing_new(BootTime now);
  void kept(const CosignedCheckpoint& cosigned, BootTime now);

  // ---- watching ----

  // To be told now and then how many records there are. The alarm when it is another than before, else nothing.
  std::optional<WitnessAlarm> observe(std::uint64_t records, BootTime now);
  [[nodiscard]] WitnessAlarm alarm() const { return alarm_; }
  [[nodiscard]] const std::optional<CosignedCheckpoint>& cosigned() const { return cosigned_; }
  [[nodiscard]] std::uint64_t lag_records() const { return records_ - std::min(records_, size()); }
  // How long the oldest record that it has not cosigned has been there; exact to the interval.
  [[nodiscard]] std::chrono::nanoseconds lag(BootTime now) const;
  [[nodiscard]] const std::string& problem() const { return problem_; }  // empty: the last round went well
  [[nodiscard]] std::uint64_t failures() const { return failures_; }     // since the start

 private:
  [[nodiscard]] std::uint64_t size() const { return cosigned_ ? cosigned_->size : 0; }
  void finish(BootTime next);

  VerifierKey key_;
  LaneSettings settings_;
  BootTime began_;   // of the round under way, or of the program
  BootTime next_{};  // no round before this
  bool asking_ = false;
  unsigned repeats_ = 0;                        // requests of this round beside the first
  std::optional<std::uint64_t> known_;          // what the witness is believed to have cosigned last
  std::optional<CosignedCheckpoint> cosigned_;  // what we have of it
  std::uint64_t records_ = 0;                   // seen last
  std::optional<BootTime> uncovered_since_;
  bool other_history_ = false;
  WitnessAlarm alarm_ = WitnessAlarm::none;
  std::string problem_;
  unsigned failures_in_a_row_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace sanad::audit
