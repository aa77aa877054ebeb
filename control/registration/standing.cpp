#include "control/registration/standing.hpp"

#include <algorithm>
#include <chrono>

namespace sanad::registration {
namespace {

constexpr std::chrono::hours kDay{24};

Action action_of(Response response) {
  switch (response) {
    case Response::warn:
      return Action::serve;
    case Response::refuse_new:
      return Action::refuse_new;
    case Response::suspend:
      return Action::suspend;
  }
  return Action::suspend;
}

// Several things can be wrong at once: the gravest names the standing, the strictest decides.
void escalate(Standing& standing, StandingKind kind, Action action) {
  standing.kind = std::max(standing.kind, kind);
  standing.action = std::max(standing.action, action);
}

WallTime end_of(const Installed& installed) {
  WallTime end = installed.verified.not_after;
  for (const auto& other : {installed.verified.certificate.claims.registration_valid_until, installed.authority_valid_until}) {
    if (other) end = std::min(end, *other);
  }
  return end;
}

void judge_dates(Standing& standing, const Installed& installed, const Policy& policy, WallTime now) {
  const WallTime end = end_of(installed);
  standing.ends = end;
  if (now < installed.verified.not_before) {
    standing.findings.push_back({FindingCode::not_yet_valid, "not valid before " + to_date(installed.verified.not_before)});
    escalate(standing, StandingKind::unregistered, Action::refuse_new);
    return;
  }
  if (now > end) {
    if (policy.grace && now <= policy.grace->until) {
      standing.findings.push_back({FindingCode::grace, "ended on " + to_date(end) + ", extended until " +
                                                           to_date(policy.grace->until) + ": " + policy.grace->announcement});
      escalate(standing, StandingKind::grace, Action::serve);
      return;
    }
    standing.findings.push_back({FindingCode::expired, "ended on " + to_date(end)});
    escalate(standing, StandingKind::expired, action_of(policy.on_expired));
    return;
  }
  for (const int days : policy.warn_before_days) {
    if (end - now > kDay * days) continue;
    standing.threshold_days = std::min(days, standing.threshold_days.value_or(days));
  }
  if (!standing.threshold_days) return;
  const auto left = std::chrono::ceil<std::chrono::hours>(end - now).count();
  const std::string duration = left >= 48 ? std::to_string(left / 24) + " days" : std::to_string(left) + " hours";
  standing.findings.push_back({FindingCode::expiring, "ends on " + to_date(end) + ", in " + duration});
  escalate(standing, StandingKind::expiring, Action::serve);
}

template <class T>
bool holds(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string listed(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (const IpAddress& address : addresses) text += (text.empty() ? "" : ", ") + address.to_string();
  return text;
}

void judge_addresses(Standing& standing, const std::vector<IpAddress>& registered, const Facts& facts, const Policy& policy) {
  if (registered.empty()) return;  // registered by name alone, as a freelancer on a mobile number is
  if (facts.public_addresses.empty()) {
    standing.findings.push_back(
        {FindingCode::address_unknown, "this host's public addresses are not known; registered: " + listed(registered)});
    return;
  }
  std::vector<IpAddress> others;
  for (const IpAddress& address : facts.public_addresses) {
    if (!holds(registered, address)) others.push_back(address);
  }
  if (others.empty()) return;
  const std::string detail = "this host has " + listed(others) + "; registered: " + listed(registered);
  if (others.size() < facts.public_addresses.size()) {
    standing.findings.push_back({FindingCode::address_unregistered, detail});
    return;
  }
  standing.findings.push_back({FindingCode::address_mismatch, detail});
  escalate(standing, StandingKind::mismatch, action_of(policy.on_mismatch));
}

void judge_facts(Standing& standing, const RegistrationClaims& claims, const Facts& facts, const Policy& policy) {
  if (claims.wireguard_key != facts.public_key) {
    standing.findings.push_back({FindingCode::key_mismatch, "this gateway's key is " + facts.public_key.to_base64() +
                                                                "; registered: " + claims.wireguard_key.to_base64()});
    escalate(standing, StandingKind::mismatch, action_of(policy.on_mismatch));
  }
  if (facts.listen_port != 0 && !holds(claims.listen_ports, facts.listen_port)) {
    std::string registered;
    for (const std::uint16_t port : claims.listen_ports) registered += (registered.empty() ? "" : ", ") + std::to_string(port);
    standing.findings.push_back({FindingCode::port_mismatch, "this gateway listens on port " + std::to_string(facts.listen_port) +
                                                                 "; registered: " + registered});
    escalate(standing, StandingKind::mismatch, action_of(policy.on_mismatch));
  }
  judge_addresses(standing, claims.addresses, facts, policy);
}

void judge_revocation(Standing& standing, const RevocationState& revocation, const Policy& policy) {
  if (revocation.status == RevocationState::Status::revoked) {
    std::string detail = "revoked by its issuer";
    if (revocation.revoked_at) detail += " on " + to_date(*revocation.revoked_at);
    if (!revocation.reason.empty()) detail += " (" + revocation.reason + ")";
    standing.findings.push_back({FindingCode::revoked, std::move(detail)});
    escalate(standing, StandingKind::revoked, action_of(policy.on_revoked));
  }
  // Also beside a good answer: of an older list, when the newer one could not be had.
  if (revocation.status == RevocationState::Status::unavailable || !revocation.detail.empty()) {
    standing.findings.push_back({FindingCode::revocation_unavailable, revocation.detail});
  }
  if (revocation.stale) {
    const std::string due = revocation.next_update ? to_date(*revocation.next_update) : "an unknown day";
    standing.findings.push_back({FindingCode::revocation_stale, "a newer revocation list was due on " + due});
  }
}

// What the sentence needs, from an installed registration or from a profile's check alike.
struct Told {
  const Verified& verified;
  WallTime end;
  std::optional<std::string> reference;
  bool reference_confirmed = true;
  bool for_client = false;
};

std::string opening_of(const Told& told) {
  const std::string& name = told.verified.certificate.claims.legal_name;
  if (told.verified.level == Level::self)
    return told.for_client ? "run by " + name + ", self-declared" : "self-declared by " + name;
  return told.for_client ? "run by " + name + ", registration" : "declared by " + name + ",";
}

std::string sentence_of(const Told& told) {
  const Verified& verified = told.verified;
  const std::string on = " on " + to_date(verified.certificate.not_before);
  const bool self = verified.level == Level::self;
  std::string text = opening_of(told);
  switch (verified.level) {
    case Level::self:
      break;
    case Level::company:
      text += " confirmed within the company by " + verified.anchor_name + on;
      break;
    case Level::association:
      text += " confirmed by " + verified.anchor_name + on;
      break;
    case Level::regulator:
      text += " confirmed by the regulator " + verified.anchor_name + on;
      break;
  }
  if (told.reference) {
    text += ", reference " + *told.reference;
    if (self || !told.reference_confirmed) text += " (its own statement)";
  }
  text += ", valid until " + to_date(told.end);
  if (self) text += ", not confirmed by anyone else";
  if (verified.level == Level::company) text += ", not confirmed by anyone outside it";
  return text;
}

}  // namespace

std::optional<Response> response_from_string(std::string_view text) noexcept {
  if (text == "warn") return Response::warn;
  if (text == "refuse_new") return Response::refuse_new;
  if (text == "suspend") return Response::suspend;
  return std::nullopt;
}

std::string_view to_string(StandingKind kind) noexcept {
  switch (kind) {
    case StandingKind::in_force:
      return "in_force";
    case StandingKind::expiring:
      return "expiring";
    case StandingKind::grace:
      return "grace";
    case StandingKind::expired:
      return "expired";
    case StandingKind::mismatch:
      return "mismatch";
    case StandingKind::revoked:
      return "revoked";
    case StandingKind::unregistered:
      return "unregistered";
  }
  return "unknown";
}

std::string_view to_string(Action action) noexcept {
  switch (action) {
    case Action::serve:
      return "serve";
    case Action::refuse_new:
      return "refuse_new";
    case Action::suspend:
      return "suspend";
  }
  return "unknown";
}

std::string_view to_string(FindingCode code) noexcept {
  switch (code) {
    case FindingCode::expiring:
      return "expiring";
    case FindingCode::grace:
      return "grace";
    case FindingCode::expired:
      return "expired";
    case FindingCode::not_yet_valid:
      return "not_yet_valid";
    case FindingCode::key_mismatch:
      return "key_mismatch";
    case FindingCode::port_mismatch:
      return "port_mismatch";
    case FindingCode::address_mismatch:
      return "address_mismatch";
    case FindingCode::address_unregistered:
      return "address_unregistered";
    case FindingCode::address_unknown:
      return "address_unknown";
    case FindingCode::revoked:
      return "revoked";
    case FindingCode::revocation_stale:
      return "revocation_stale";
    case FindingCode::revocation_unavailable:
      return "revocation_unavailable";
    case FindingCode::clock_unsynchronised:
      return "clock_unsynchronised";
    case FindingCode::unregistered:
      return "unregistered";
  }
  return "unknown";
}

Standing standing(const std::optional<Installed>& installed, const RevocationState& revocation, const Facts& facts,
                  const Policy& policy, WallTime now) {
  Standing result;
  if (!installed) {
    result.findings.push_back({FindingCode::unregistered, "no registration certificate is installed"});
    return result;
  }
  result.kind = StandingKind::in_force;
  result.action = Action::serve;
  judge_revocation(result, revocation, policy);
  judge_facts(result, installed->verified.certificate.claims, facts, policy);
  judge_dates(result, *installed, policy, now);
  if (!facts.clock_synchronised) {
    result.findings.push_back(
        {FindingCode::clock_unsynchronised, "the clock is not synchronised; dates were judged by it all the same"});
  }
  return result;
}

std::vector<Finding> mismatches(const RegistrationClaims& claims, const Facts& facts) {
  Standing judged;
  judge_facts(judged, claims, facts, {});
  std::erase_if(judged.findings, [](const Finding& finding) {
    return finding.code == FindingCode::address_unregistered || finding.code == FindingCode::address_unknown;
  });
  return judged.findings;
}

std::string sentence(const std::optional<Installed>& installed) {
  if (!installed) return "unregistered: no registration certificate is installed";
  const auto& confirmed = installed->verified.certificate.claims.reference;
  const auto& reference = installed->reference ? installed->reference : confirmed;
  return sentence_of({installed->verified, end_of(*installed), reference, reference == confirmed, false});
}

std::string sentence_for_client(const Verified& verified) {
  return sentence_of({verified, end_of({verified, {}, {}}), verified.certificate.claims.reference, true, true});
}

std::string to_date(WallTime t) { return to_rfc3339(t).substr(0, 10); }

}  // namespace sanad::registration
