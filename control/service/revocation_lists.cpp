#include "control/service/revocation_lists.hpp"

#include <algorithm>
#include <utility>

namespace sanad::service {
namespace {

using registration::RevocationState;
using Word = registration::RevocationState::Status;

}  // namespace

void RevocationLists::set_kept(std::vector<ListReading> lists) {
  for (auto& list : lists) known_.try_emplace(list.source, Known{std::move(list.text), list.when, {}});
}

std::optional<ListReading> RevocationLists::known(const std::string& source) const {
  const auto found = known_.find(source);
  if (found == known_.end() || found->second.text.empty()) return std::nullopt;
  return ListReading{source, found->second.text, {}, found->second.when};
}

bool RevocationLists::is_usable(const ListReading& reading, const registration::Verified& verified, WallTime now) const {
  const auto state = registration::check_crl(reading.text, verified, now);
  if (state.status == Word::unavailable || state.status == Word::not_checked) return false;
  const auto before = known(reading.source);
  return !before || registration::check_crl(before->text, verified, now).this_update <= state.this_update;
}

RevocationState RevocationLists::weigh(const ListReading& reading, const registration::Verified& verified, WallTime now) {
  RevocationSource source{.name = reading.source};
  Known& known = known_[reading.source];
  auto state = registration::check_crl(reading.text, verified, now);
  auto before = registration::check_crl(known.text, verified, now);
  const bool had_one = before.status != Word::unavailable;
  std::string problem;
  if (state.status == Word::unavailable) {
    problem = reading.problem.empty() ? state.detail : reading.problem;
  } else if (had_one && state.this_update < before.this_update) {
    // Whoever can answer for the server could hide a revocation with a list from before it.
    problem = "the revocation list is older than one that was read before, of " + to_rfc3339(*before.this_update);
  }
  if (problem.empty()) {
    known = {reading.text, reading.when, {}};
  } else {
    if (!known.failing_since) known.failing_since = reading.when;
    source.problem = problem;
    source.failing_since = known.failing_since;
    state.detail = reading.source + ": " + problem;
    if (had_one) {
      before.detail = state.detail + "; the last good list is used";
      state = std::move(before);
    }
  }
  if (problem.empty() || had_one) {
    source.read_at = known.when;
    source.issued_at = state.this_update;
    source.next_update = state.next_update;
  }
  status_.lists.push_back(std::move(source));
  return state;
}

RevocationState RevocationLists::judge(const std::vector<ListReading>& readings, const registration::Verified& verified,
                                       WallTime now) {
  status_ = {};
  RevocationState out;
  if (verified.issuer_pem.empty()) {
    status_.status = "no_issuer";
    return out;
  }
  for (const auto& reading : readings) {
    auto state = weigh(reading, verified, now);
    const bool says_more = out.status == Word::not_checked || (out.status == Word::unavailable && state.status == Word::good);
    if (state.status == Word::revoked || (says_more && out.status != Word::revoked)) out = std::move(state);
  }
  for (const auto& source : status_.lists)
    if (source.read_at) status_.checked_at = std::max(source.read_at, status_.checked_at);
  status_.status = registration::to_string(out.status);
  return out;
}

void RevocationLists::forget_verdict() { status_ = {}; }

}  // namespace sanad::service
