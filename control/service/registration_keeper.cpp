#include "control/service/registration_keeper.hpp"

#include <algorithm>

#include "control/registration/certificate.hpp"
#include "control/registration/crl.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/link/link.hpp"

namespace sanad::service {
namespace {

constexpr std::size_t kMaxKeyFile = 16 * 1024;

registration::Level level_of(config::AnchorLevel level) {
  switch (level) {
    case config::AnchorLevel::self:
      return registration::Level::self;
    case config::AnchorLevel::company:
      return registration::Level::company;
    case config::AnchorLevel::association:
      return registration::Level::association;
    case config::AnchorLevel::regulator:
      return registration::Level::regulator;
  }
  return registration::Level::self;
}

registration::Response response_of(config::StandingAction action) {
  switch (action) {
    case config::StandingAction::warn:
      return registration::Response::warn;
    case config::StandingAction::refuse_new:
      return registration::Response::refuse_new;
    case config::StandingAction::suspend:
      return registration::Response::suspend;
  }
  return registration::Response::refuse_new;
}

// Of the host's addresses those a regulator could have registered. A private one (a LAN leg) is left out as soon as there is a
// public one; a host with private ones alone stands behind a NAT and says so by them.
std::vector<IpAddress> public_among(std::vector<IpAddress> addresses) {
  static const std::vector<IpPrefix> kPrivate = [] {
    std::vector<IpPrefix> list;  // RFC 1918, RFC 6598, RFC 4193
    for (const char* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"})
      list.push_back(IpPrefix::parse(text).value());
    return list;
  }();
  std::vector<IpAddress> open;
  for (const auto& address : addresses)
    if (std::none_of(kPrivate.begin(), kPrivate.end(), [&](const IpPrefix& p) { return p.contains(address); }))
      open.push_back(address);
  return open.empty() ? addresses : open;
}

}  // namespace

Result<RegistrationMaterial> load_material(const config::Registration& settings, const std::vector<std::string>& own_interfaces) {
  RegistrationMaterial out;
  auto certificate = read_file(settings.certificate, registration::kMaxPem);
  if (certificate)
    out.certificate_pem = std::move(*certificate);
  else if (certificate.error().code != Errc::not_found)
    return std::move(certificate).error().within("registration.certificate");
  auto key = read_secret_file(settings.private_key.path, kMaxKeyFile);
  if (key)
    out.key = std::make_shared<registration::PrivateKeyPem>(std::move(*key));
  else if (key.error().code != Errc::not_found)
    return std::move(key).error().within("registration.private_key");
  for (const auto& anchor : settings.anchors) {
    auto pem = read_file(anchor.file, registration::kMaxPem);
    if (!pem) return std::move(pem).error().within("registration.anchors");
    auto certificates = registration::split_chain(*pem);
    if (!certificates) return std::move(certificates).error().within(anchor.file.string());
    for (auto& one : *certificates) out.anchors.push_back({std::move(one), level_of(anchor.level), anchor.name});
  }
  for (const auto& file : settings.crl_files) {
    // A list that cannot be read is a finding of the standing, not a reason to fail: check_crl() calls empty text unavailable.
    auto crl = read_file(file, registration::kMaxCrl);
    out.crls.push_back(
        {file.string(), crl ? std::move(*crl) : std::string{}, crl ? std::string{} : crl.error().message, now().wall});
  }
  out.public_addresses = settings.public_addresses;
  if (out.public_addresses.empty()) {
    link::LinkControl links;
    if (auto addresses = links.host_addresses(own_interfaces)) out.public_addresses = public_among(std::move(*addresses));
  }
  return out;
}

registration::Policy policy_of(const config::Registration& settings, const std::optional<registration::Grace>& grace) {
  registration::Policy policy;
  policy.warn_before_days.clear();
  for (const auto days : settings.warn_before) policy.warn_before_days.push_back(static_cast<int>(days.count()));
  policy.on_expired = response_of(settings.on_expired);
  policy.on_mismatch = response_of(settings.on_mismatch);
  policy.on_revoked = response_of(settings.on_revoked);
  policy.grace = grace;
  return policy;
}

RegistrationKeeper::RegistrationKeeper(const config::Registration& settings, wg::PublicKey gateway_key, std::uint16_t listen_port)
    : settings_(settings), gateway_key_(gateway_key), listen_port_(listen_port) {}

void RegistrationKeeper::configure(const config::Registration& settings, std::uint16_t listen_port) {
  settings_ = settings;
  listen_port_ = listen_port;
}

std::vector<registration::Anchor> RegistrationKeeper::anchors_for(std::string_view chain_pem) const {
  auto anchors = material_.anchors;
  const auto chain = registration::split_chain(chain_pem);
  if (!chain || chain->size() != 1) return anchors;
  const auto leaf = registration::parse_summary(chain->front());
  if (!leaf || leaf->subject != leaf->issuer) return anchors;
  // A self-declared certificate vouches for itself, at the lowest level, unless an anchor names it already.
  const bool named = std::any_of(anchors.begin(), anchors.end(), [&](const registration::Anchor& a) {
    const auto summary = registration::parse_summary(a.pem);
    return summary && summary->fingerprint == leaf->fingerprint;
  });
  if (!named) anchors.push_back({chain->front(), registration::Level::self, {}});
  return anchors;
}

Result<registration::Verified> RegistrationKeeper::check(std::string_view chain_pem, const wg::PublicKey& gateway_key) const {
  auto verified = registration::verify(chain_pem, anchors_for(chain_pem));
  if (!verified) return verified.error();
  if (material_.key) {
    if (auto matches = registration::check_key_matches(verified->certificate.pem, *material_.key); !matches)
      return Error{Errc::invalid_argument, "the certificate is for another registration key than this gateway's",
                   "certificate.key", "ask for it with this gateway's own request: sanad registration renew"};
  }
  if (verified->certificate.claims.wireguard_key != gateway_key)
    return Error{Errc::invalid_argument,
                 "the certificate is for another WireGuard key (" + verified->certificate.claims.wireguard_key.to_base64() +
                     ") than this gateway's (" + gateway_key.to_base64() + ")",
                 "certificate.wireguard_key", "ask the issuer for a certificate with this gateway's key"};
  return verified;
}

std::vector<ListReading> RegistrationKeeper::readings() const {
  std::vector<ListReading> out = material_.crls;
  for (const auto& url : settings_.crl_urls) {
    if (const auto list = fetched_.find(url); list != fetched_.end())
      out.push_back(list->second);
    else if (auto kept = lists_.known(url))
      out.push_back(*std::move(kept));
  }
  return out;
}

bool RegistrationKeeper::set_fetched(FetchedList list, WallTime now) {
  ListReading reading{std::move(list.url), std::move(list.text), std::move(list.problem), now};
  const bool usable = installed_ && lists_.is_usable(reading, installed_->verified, now);
  fetched_[reading.source] = std::move(reading);
  return usable;
}

registration::Facts RegistrationKeeper::facts(const wg::PublicKey& gateway_key) const {
  return {.public_key = gateway_key,
          .listen_port = listen_port_,
          .public_addresses = material_.public_addresses,
          .clock_synchronised = read_clock_sync().synchronised};
}

std::vector<registration::Finding> RegistrationKeeper::mismatches(const registration::RegistrationClaims& claims,
                                                                  const wg::PublicKey& gateway_key) const {
  return registration::mismatches(claims, facts(gateway_key));
}

bool RegistrationKeeper::judge(WallTime now) {
  installed_.reset();
  lists_.forget_verdict();
  registration::RevocationState revocation;
  std::optional<registration::Grace> grace;
  if (const auto* record = current()) {
    const auto anchors = anchors_for(record->certificate_pem);
    if (auto verified = registration::verify(record->certificate_pem, anchors)) {
      revocation = lists_.judge(readings(), *verified, now);
      installed_ = registration::Installed{std::move(*verified), std::nullopt, record->authority_valid_until};
      if (!record->reference.empty()) installed_->reference = record->reference;
    }
    if (record->grace_until) grace = registration::Grace{*record->grace_until, record->grace_announcement};
  }
  auto standing = registration::standing(installed_, revocation, facts(gateway_key_), policy_of(settings_, grace), now);
  // The clock's finding comes and goes with NTP and has its own records; it is shown, but is no change of standing.
  const auto weighty = [](const registration::Standing& s) {
    auto findings = s.findings;
    std::erase_if(findings,
                  [](const registration::Finding& f) { return f.code == registration::FindingCode::clock_unsynchronised; });
    std::vector<registration::FindingCode> codes;
    for (const auto& f : findings) codes.push_back(f.code);
    return codes;
  };
  const bool changed = standing.kind != standing_.kind || standing.action != standing_.action ||
                       standing.threshold_days != standing_.threshold_days || weighty(standing) != weighty(standing_);
  standing_ = std::move(standing);
  return changed;
}

RegistrationStatus RegistrationKeeper::status() const {
  RegistrationStatus out;
  out.standing = standing_;
  out.sentence = registration::sentence(installed_);
  if (installed_) {
    const auto& certificate = installed_->verified.certificate;
    out.level = registration::to_string(installed_->verified.level);
    out.legal_name = certificate.claims.legal_name;
    out.reference = installed_->reference ? installed_->reference : certificate.claims.reference;
    out.valid_from = certificate.not_before;
    out.valid_until = standing_.ends ? standing_.ends : certificate.not_after;
  }
  out.revocation = lists_.status();
  if (const auto* record = current()) out.certificate_pem = record->certificate_pem;
  for (const auto& record : history_) out.history.push_back({record.fingerprint, record.from_index, record.installed});
  for (const auto& anchor : material_.anchors) {
    const auto summary = registration::parse_summary(anchor.pem);
    out.anchors.push_back({summary ? summary->subject : anchor.name, std::string(registration::to_string(anchor.level))});
  }
  return out;
}

Result<std::string> RegistrationKeeper::write_profile(registration::ProfileInput input) const {
  const bool sign = signs_profiles();
  if (sign)
    input.issuer =
        registration::ProfileIssuer{registration::sentence(installed_), current()->certificate_pem, installed_->reference};
  auto text = registration::write_profile(input);
  if (!text || !sign) return text;
  return registration::sign_profile(*text, *material_.key);
}

}  // namespace sanad::service
