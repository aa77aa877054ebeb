#include "control/audit/epoch_chain.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace sanad::audit {
namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

void widen(EpochSpan& extent, const EpochSpan& by) {
  if (by.earliest_ms < extent.earliest_ms) {
    extent.earliest_ms = by.earliest_ms;
    extent.earliest_at = by.earliest_at;
  }
  if (by.latest_ms > extent.latest_ms) {
    extent.latest_ms = by.latest_ms;
    extent.latest_at = by.latest_at;
  }
}

}  // namespace

std::optional<ChainBreak> EpochChain::add(std::span<const EpochSpan> spans, std::span<const FoundFact> facts) {
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (auto broken = enter(spans[i])) return broken;
    while (!facts.empty() && (i + 1 == spans.size() || facts.front().index < spans[i + 1].first)) {
      if (auto broken = apply(facts.front())) return broken;
      facts = facts.subspan(1);
    }
  }
  return std::nullopt;
}

std::optional<ChainBreak> EpochChain::finish() {
  for (std::size_t epoch = epochs_.size() > 3 ? epochs_.size() - 3 : 0; epoch < epochs_.size(); ++epoch) {
    if (auto broken = check_times(epoch)) return broken;
  }
  return std::nullopt;
}

const LogEpoch& EpochChain::epoch_of(std::uint64_t index) const {
  const auto after = std::find_if(epochs_.begin(), epochs_.end(), [&](const LogEpoch& epoch) { return epoch.first > index; });
  if (after == epochs_.begin()) throw std::logic_error("a record before the log's first epoch");
  return *std::prev(after);
}

std::optional<ChainBreak> EpochChain::enter(const EpochSpan& span) {
  if (epochs_.empty()) {
    if (auto broken = begin_first(span)) return broken;
  } else if (next_is_announced()) {
    const LogEpoch& next = epochs_.back();
    if (span.epoch != next.epoch) {
      return ChainBreak{span.first, "its epoch is " + number(span.epoch) + "; the record before it announces that epoch " +
                                        number(next.epoch) + " begins here"};
    }
    // Their excuses are all known by now.
    if (epochs_.size() >= 4) {
      if (auto broken = check_times(epochs_.size() - 4)) return broken;
    }
  } else if (span.epoch < epochs_.back().epoch) {
    return ChainBreak{span.first, "its epoch is " + number(span.epoch) + " after " + number(epochs_.back().epoch)};
  } else if (span.epoch > epochs_.back().epoch) {
    return ChainBreak{span.first, "its epoch is " + number(span.epoch) + ", which no record before it announces"};
  }
  auto& extent = times_.back().extent;
  if (extent) {
    widen(*extent, span);
  } else {
    extent = span;
  }
  return std::nullopt;
}

std::optional<ChainBreak> EpochChain::begin_first(const EpochSpan& span) {
  const auto key = std::find_if(first_keys_.begin(), first_keys_.end(),
                                [&](const EpochKey& candidate) { return candidate.epoch == span.epoch; });
  if (key == first_keys_.end()) return ChainBreak{span.first, "there is no key of its epoch " + number(span.epoch)};
  epochs_.push_back({span.epoch, key->key, span.first, std::nullopt, std::nullopt});
  times_.emplace_back();
  return std::nullopt;
}

std::optional<ChainBreak> EpochChain::apply(const FoundFact& found) {
  if (const auto* key = std::get_if<KeyAnnouncement>(&found.fact)) return announce(found, *key);
  if (const auto* step = std::get_if<ClockStep>(&found.fact); step != nullptr && step->ms < 0) {
    // A span that cannot be negated, and sums that cannot be held, excuse everything and are in the log for all to see.
    std::int64_t& back = times_.back().set_back_ms;
    if (__builtin_sub_overflow(back, step->ms, &back)) back = INT64_MAX;
  }
  if (const auto* installed = std::get_if<RegistrationInstalled>(&found.fact)) {
    registrations_.push_back({installed->index.value_or(found.index), installed->fingerprint});
  }
  return std::nullopt;
}

std::optional<ChainBreak> EpochChain::announce(const FoundFact& found, const KeyAnnouncement& announced) {
  const auto wrong = [&](const std::string& why) {
    return ChainBreak{found.index, "it announces the key of epoch " + number(announced.epoch) + " " + why};
  };
  LogEpoch& current = epochs_.back();
  auto key = parse_vkey(announced.vkey);
  if (!key) return wrong("in a way that is no key: " + key.error().message);
  if (key->name != origin_) return wrong("for another log, " + key->name);
  if (announced.epoch == current.epoch) {
    if (found.index != epochs_.front().first) return wrong("a second time");
    if (*key != current.key) return wrong("as another than the one that is given for it");
    if (announced.first_index != found.index)
      return wrong("from record " + number(announced.first_index) + " on, not from itself");
    return std::nullopt;
  }
  if (announced.epoch != current.epoch + 1) return wrong("in epoch " + number(current.epoch));
  if (announced.first_index != found.index + 1) {
    return wrong("from record " + number(announced.first_index) + " on, not from the next");
  }
  const bool known =
      std::any_of(epochs_.begin(), epochs_.end(), [&](const LogEpoch& epoch) { return epoch.key.key == key->key; });
  if (key->type != KeyType::ed25519 || known) return wrong(known ? "as one that has signed before" : "as one of another kind");
  current.end = announced.first_index;
  epochs_.push_back({announced.epoch, *std::move(key), announced.first_index, std::nullopt, found.time_ms});
  times_.emplace_back();
  return std::nullopt;
}

// The clock may be set back while an epoch lasts; then records say so, in it or, when it ended just then, in the next.
std::optional<ChainBreak> EpochChain::check_times(std::size_t at) const {
  const auto& extent = times_[at].extent;
  if (!extent) return std::nullopt;
  std::int64_t excused = times_[at].set_back_ms;
  if (at + 1 < times_.size() && __builtin_add_overflow(excused, times_[at + 1].set_back_ms, &excused)) excused = INT64_MAX;
  if (__builtin_add_overflow(excused, kClockSlackMs, &excused)) excused = INT64_MAX;
  const auto outside = [&](std::uint64_t index, const char* side) {
    return ChainBreak{index, "its time is " + std::string(side) + " of its epoch " + number(epochs_[at].epoch) +
                                 ", and no record says that the clock was set back so far"};
  };
  std::int64_t beyond = 0;
  const auto exceeds = [&](std::int64_t later, std::int64_t earlier) {
    return !__builtin_sub_overflow(later, earlier, &beyond) && beyond > excused;
  };
  if (epochs_[at].begin_ms && exceeds(*epochs_[at].begin_ms, extent->earliest_ms)) {
    return outside(extent->earliest_at, "before the beginning");
  }
  if (at + 1 < epochs_.size() && exceeds(extent->latest_ms, *epochs_[at + 1].begin_ms)) {
    return outside(extent->latest_at, "after the end");
  }
  return std::nullopt;
}

}  // namespace sanad::audit
