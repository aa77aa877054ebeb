#include "control/audit/witness_lane.hpp"

#include <algorithm>
#include <utility>

namespace sanad::audit {
namespace {

// Nobody is left alone for longer, so that a witness that is back catches up soon.
constexpr std::chrono::seconds kLongestRest{60};
// One 409 is usual after a loss on either side; a witness that names a new size each time is not followed.
constexpr unsigned kMostRepeats = 2;

std::string records(std::uint64_t count) { return std::to_string(count) + (count == 1 ? " record" : " records"); }

}  // namespace

void WitnessLane::restore(const CosignedCheckpoint& cosigned, Instant now) {
  cosigned_ = cosigned;
  known_ = cosigned.size;
  const std::int64_t age_s = now.wall.ns / 1'000'000'000 - static_cast<std::int64_t>(cosigned.timestamp);
  began_ = now.boot - std::chrono::seconds(std::clamp<std::int64_t>(age_s, 0, std::int64_t{10} * 365 * 86'400));
}

bool WitnessLane::due(std::uint64_t records, BootTime now) const {
  return !asking_ && now >= next_ && (records > size() || other_history_);
}

std::uint64_t WitnessLane::begin(BootTime now) {
  asking_ = true;
  repeats_ = 0;
  began_ = now;
  return known_.value_or(0);
}

void WitnessLane::finish(BootTime next) {
  asking_ = false;
  next_ = next;
}

void WitnessLane::nothing_new(BootTime now) { finish(now + settings_.interval); }

void WitnessLane::failed(std::string why, BootTime now) {
  problem_ = std::move(why);
  ++failures_;
  failures_in_a_row_ = std::min(failures_in_a_row_ + 1, 16U);
  const std::chrono::nanoseconds longest = std::max<std::chrono::nanoseconds>(settings_.interval, kLongestRest);
  finish(now + std::min(settings_.interval * (std::int64_t{1} << (failures_in_a_row_ - 1)), longest));
}

void WitnessLane::log_is_smaller(std::uint64_t known, std::uint64_t size, BootTime now) {
  other_history_ = true;
  failed("it has cosigned " + records(known) + " and this log has " + std::to_string(size) +
             ": the log was cut back, or restored from an old copy",
         now);
}

WitnessLane::Next WitnessLane::answered(unsigned status, std::string_view body, const AskedWitness& asked, BootTime now) {
  const auto rest = [&](std::string why) {
    failed(std::move(why), now);
    return Next{};
  };
  switch (status) {
    case 200: {
      auto cosignature = find_cosignature(body, asked.note_text, key_);
      if (!cosignature) return rest("its answer is no cosignature by its key");
      return {Next::What::keep, 0, *std::move(cosignature)};
    }
    case 409: {
      const auto size = parse_tree_size(body);
      if (!size || *size == asked.old_size) return rest("its answer contradicts itself");
      if (++repeats_ > kMostRepeats) return rest("it names another size each time it is asked");
      if (*size > asked.size) {
        // Nobody signed that number: the next round begins with what is signed, and hears it again if it is so.
        known_ = this->size();
        log_is_smaller(*size, asked.size, now);
        return {};
      }
      known_ = *size;
      return {Next::What::ask_again, *size, {}};
    }
    case 422:
      other_history_ = true;
      return rest("what it has cosigned is not how this log began: the log was rewritten, or two gateways have one name");
    case 403:
      return rest("it does not accept the log's signature: give it the keys that \"sanad log key\" prints");
    case 404:
      return rest("it does not know this log: give it the keys that \"sanad log key\" prints, and look at the url");
    default:
      return rest("it answered with status " + std::to_string(status));
  }
}

void WitnessLane::kept(const CosignedCheckpoint& cosigned, BootTime now) {
  cosigned_ = cosigned;
  known_ = cosigned.size;
  other_history_ = false;
  problem_.clear();
  failures_in_a_row_ = 0;
  // What was committed since the round began is the oldest that is uncovered.
  uncovered_since_ = records_ > cosigned.size ? std::optional(began_) : std::nullopt;
  finish(began_ + settings_.interval > now ? began_ + settings_.interval : now);
}

std::optional<WitnessAlarm> WitnessLane::observe(std::uint64_t records, BootTime now) {
  // At the first look nobody knows since when: since the cosignature that was restored, or since the start.
  const bool first = records_ == 0;
  records_ = records;
  if (records <= size()) {
    uncovered_since_.reset();
  } else if (!uncovered_since_) {
    uncovered_since_ = first ? began_ : now;
  }
  const WitnessAlarm alarm = other_history_                      ? WitnessAlarm::refused
                             : lag(now) >= settings_.alarm_after ? WitnessAlarm::behind
                                                                 : WitnessAlarm::none;
  if (std::exchange(alarm_, alarm) == alarm) return std::nullopt;
  return alarm;
}

std::chrono::nanoseconds WitnessLane::lag(BootTime now) const {
  return uncovered_since_ ? now - *uncovered_since_ : std::chrono::nanoseconds{0};
}

}  // namespace sanad::audit
