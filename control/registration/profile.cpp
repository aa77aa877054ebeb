#include "control/registration/profile.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "control/registration/crl.hpp"
#include "control/registration/genuine_list.hpp"
#include "control/registration/openssl.hpp"
#include "control/registration/standing.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::registration {
namespace {

constexpr std::string_view kFirstLine = "# sanad-profile: 1";
constexpr std::string_view kSignature = "# sanad-signature: ";
constexpr std::string_view kMeta = "# sanad-";
constexpr std::string_view kPrivateKey = "PrivateKey = ";
constexpr std::string_view kPresharedKey = "PresharedKey = ";

Error wrong(std::string_view field, std::string message) {
  return {Errc::invalid_argument, std::string{field} + ": " + std::move(message), std::string{field}};
}

Error refuse(std::string_view field, std::string message) {
  return {Errc::refused_by_policy, std::move(message), std::string{field}};
}

// What the signature covers: exactly the lines that `grep -v` with the three prefixes leaves.
std::string signed_part(std::string_view text) {
  std::string part;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    const bool excluded = line.starts_with(kSignature) || line.starts_with(kPrivateKey) || line.starts_with(kPresharedKey);
    if (!excluded) part += line;
    text.remove_prefix(end);
  }
  return part;
}

// One base64 line a certificate: short enough for a QR code beside the rest, and `base64 -d` alone reads it.
Result<std::string> certificate_line(std::string_view pem) {
  auto certificate = read_certificate(pem);
  if (!certificate) return certificate.error();
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate->get(), &der);
  if (size < 0) return from_openssl("couldn't encode the certificate");
  std::string line = "# sanad-certificate: " + base64_encode({der, static_cast<std::size_t>(size)}) + "\n";
  OPENSSL_free(der);
  return line;
}

Result<std::string> pem_from_line(std::string_view base64) {
  auto der = base64_decode(base64);
  if (!der || der->size() > kMaxCertificateDer) return refuse("certificate", "the certificate in the profile is damaged");
  const unsigned char* cursor = der->data();
  const X509Ptr certificate{d2i_X509(nullptr, &cursor, static_cast<long>(der->size()))};
  if (!certificate || cursor != der->data() + der->size()) {
    (void)from_openssl("");
    return refuse("certificate", "the certificate in the profile is damaged");
  }
  return certificate_to_pem(certificate.get());
}

// The endpoint and key a client is sent to must be those that the certificate names.
Result<void> check_against_claims(const RegistrationClaims& claims, const wg::PublicKey& key, std::string_view host,
                                  std::uint16_t port) {
  if (claims.wireguard_key != key) {
    return refuse("peer.public_key", "not the registered gateway: the profile's server key " + key.to_base64() +
                                         " is not the key in the certificate, " + claims.wireguard_key.to_base64());
  }
  const bool nothing_to_compare = claims.addresses.empty() && claims.dns_names.empty();
  const auto address = IpAddress::parse(host);
  const bool registered = address
                              ? std::find(claims.addresses.begin(), claims.addresses.end(), *address) != claims.addresses.end()
                              : std::find(claims.dns_names.begin(), claims.dns_names.end(), host) != claims.dns_names.end();
  if (!nothing_to_compare && !registered) {
    return refuse("peer.endpoint", "the endpoint " + std::string{host} + " is not an address or name in the certificate");
  }
  if (std::find(claims.listen_ports.begin(), claims.listen_ports.end(), port) == claims.listen_ports.end()) {
    return refuse("peer.endpoint", "the endpoint's port " + std::to_string(port) + " is not one in the certificate");
  }
  return {};
}

template <class T>
std::string listed(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ", ") + value.to_string();
  return text;
}

std::string recorded(int days) {
  return "recorded about you: when you connect and disconnect, from which address, how many bytes. Never what you do. Kept " +
         std::to_string(days) + " days.";
}

Result<void> check_input(const ProfileInput& input) {
  constexpr std::size_t kMaxName = 128;
  if (input.gateway_name.empty() || input.gateway_name.size() > kMaxName || !is_plain_text(input.gateway_name)) {
    return wrong("gateway_name", "1 to 128 bytes of plain text");
  }
  if (input.device_name.size() > kMaxName || !is_plain_text(input.device_name))
    return wrong("device_name", "at most 128 bytes of plain text");
  if (input.addresses.empty()) return wrong("addresses", "at least one is needed");
  if (input.mtu && (*input.mtu < 576 || *input.mtu > 9000)) return wrong("mtu", "576 to 9000");
  if (input.gateway_key.is_zero()) return wrong("gateway_key", "the zero key is nobody's");
  if (!input.full_tunnel && input.networks.empty()) return wrong("networks", "a split tunnel needs at least one");
  if (!IpAddress::parse(input.endpoint_host) && !is_dns_name(input.endpoint_host)) {
    return wrong("endpoint_host", "neither an address nor a host name in lower case");
  }
  if (input.endpoint_port == 0) return wrong("endpoint_port", "1 to 65535");
  if (input.retention_days < 0) return wrong("retention_days", "not a number of days");
  if (input.issued_at.ns < 0) return wrong("issued_at", "before 1970");
  if (input.issuer && !is_plain_text(input.issuer->sentence)) return wrong("issuer.sentence", "not plain text");
  if (input.issuer && input.issuer->reference &&
      (input.issuer->reference->size() > kMaxShortText || !is_plain_text(*input.issuer->reference))) {
    return wrong("issuer.reference", "at most 64 bytes of plain text");
  }
  return {};
}

Result<std::string> issuer_lines(const ProfileInput& input) {
  auto chain = split_chain(input.issuer->chain_pem);
  if (!chain) return chain.error();
  auto leaf = parse_certificate(chain->front());
  if (!leaf) return leaf.error();
  if (auto ok = check_against_claims(leaf->claims, input.gateway_key, input.endpoint_host, input.endpoint_port); !ok) {
    return ok.error();
  }
  std::string text = "# sanad-fingerprint: " + fingerprint_text(leaf->fingerprint) + "\n";
  if (input.issuer->reference) text += "# sanad-reference: " + *input.issuer->reference + "\n";
  for (const std::string& pem : *chain) {
    auto line = certificate_line(pem);
    if (!line) return line.error();
    text += *line;
  }
  return text;
}

std::string interface_lines(const ProfileInput& input) {
  std::string text = "\n[Interface]\n";
  if (input.private_key) {
    text += std::string{kPrivateKey} + wg::secret_to_base64(*input.private_key) + "\n";
  } else {
    text += "# Put the private key of this device on a line of its own here: PrivateKey = ...\n";
  }
  text += "Address = " + listed(input.addresses) + "\n";
  if (!input.dns.empty()) text += "DNS = " + listed(input.dns) + "\n";
  if (input.mtu) text += "MTU = " + std::to_string(*input.mtu) + "\n";
  return text;
}

std::string peer_lines(const ProfileInput& input) {
  std::string text = "\n[Peer]\nPublicKey = " + input.gateway_key.to_base64() + "\n";
  if (input.preshared_key) {
    text += std::string{kPresharedKey} + wg::secret_to_base64(*input.preshared_key) + "\n";
  } else if (input.preshared_key_withheld) {
    text += "# The pre-shared key was given once and is not kept to be shown; it goes here: PresharedKey = ...\n";
  }
  text += "AllowedIPs = " + (input.full_tunnel ? std::string{"0.0.0.0/0, ::/0"} : listed(input.networks)) + "\n";
  const auto address = IpAddress::parse(input.endpoint_host);
  const std::string host = address && !address->is_v4() ? "[" + address->to_string() + "]" : input.endpoint_host;
  text += "Endpoint = " + host + ":" + std::to_string(input.endpoint_port) + "\n";
  if (input.keepalive_s != 0) text += "PersistentKeepalive = " + std::to_string(input.keepalive_s) + "\n";
  return text;
}

// A profile taken apart. Every line is one that write_profile can have written, at most once.
struct Parts {
  std::map<std::string, std::string, std::less<>> meta;    // "sequence" -> "3"
  std::map<std::string, std::string, std::less<>> values;  // "Peer.PublicKey" -> "..."
  std::vector<std::string> certificates;                   // base64
  std::size_t last_rank = 0;                               // of the line before: they only rise
};

// Both in the order in which a profile has them.
constexpr std::string_view kMetaNames[] = {"profile",  "device",      "retention-days", "issued",      "expires",
                                           "sequence", "fingerprint", "reference",      "certificate", "signature"};
constexpr std::string_view kValueNames[] = {"Interface.PrivateKey", "Interface.Address", "Interface.DNS",
                                            "Interface.MTU",        "Peer.PublicKey",    "Peer.PresharedKey",
                                            "Peer.AllowedIPs",      "Peer.Endpoint",     "Peer.PersistentKeepalive"};

Error bad_line(std::size_t number, std::string_view why) {
  return refuse("form", "line " + std::to_string(number) + ": " + std::string{why});
}

// The signature comes last, the other "# sanad-" lines first, the settings between.
constexpr std::size_t kRankOfValues = 100;
constexpr std::size_t kRankOfSignature = 200;

std::size_t rank_of(std::string_view name, std::span<const std::string_view> names) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// Sanad writes one order only: another one is an edited file, even where WireGuard reads the same from it.
Result<void> check_order(Parts& parts, std::size_t rank, std::size_t number) {
  if (rank < parts.last_rank)
    return refuse("form.order", "line " + std::to_string(number) + ": the lines are not in the order in which Sanad writes them");
  parts.last_rank = rank;
  return {};
}

Result<void> take_meta(Parts& parts, std::string_view line, std::size_t number) {
  line.remove_prefix(kMeta.size());
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return bad_line(number, "a \"# sanad-\" line without a value");
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = line.substr(colon + 2);
  const std::size_t rank = rank_of(name, kMetaNames);
  if (rank == std::size(kMetaNames)) return bad_line(number, "a \"# sanad-\" line that is not known here");
  if (auto ok = check_order(parts, name == "signature" ? kRankOfSignature : rank, number); !ok) return ok;
  if (name == "certificate") {
    if (parts.certificates.size() == kMaxChain) return bad_line(number, "more than five certificates");
    parts.certificates.emplace_back(value);
    return {};
  }
  if (!parts.meta.emplace(name, value).second) {
    if (name == "signature") return refuse("signature.doubled", "the profile has two signatures; a genuine one has one");
    return bad_line(number, "\"# sanad-" + std::string{name} + "\" is there twice");
  }
  return {};
}

Result<void> take_line(Parts& parts, std::string& section, std::string_view line, std::size_t number) {
  // The signature closes the file: what follows it would be read by WireGuard, and be covered, but not be seen as the end.
  if (parts.meta.contains("signature") && !line.starts_with(kSignature))
    return bad_line(number, "something follows the signature");
  if (!is_plain_text(line)) return bad_line(number, "not UTF-8, or with control characters");
  if (line.starts_with(kMeta)) return take_meta(parts, line, number);
  if (line.empty() || line.starts_with("# ")) return {};
  if (line == "[Interface]" && section.empty()) {
    section = "Interface";
    return {};
  }
  if (line == "[Peer]" && section == "Interface") {
    section = "Peer";
    return {};
  }
  const std::size_t equals = line.find(" = ");
  const std::string name = section + "." + std::string{line.substr(0, std::min(equals, line.size()))};
  if (equals == std::string_view::npos ||
      std::find(std::begin(kValueNames), std::end(kValueNames), name) == std::end(kValueNames)) {
    return bad_line(number, "not a line that Sanad writes into a profile");
  }
  const std::string_view value = line.substr(equals + 3);
  const bool secret = name == "Interface.PrivateKey" || name == "Peer.PresharedKey";
  // A client may put its secrets where it likes.
  if (!secret && !parts.values.contains(name)) {
    if (auto ok = check_order(parts, kRankOfValues + rank_of(name, kValueNames), number); !ok) return ok;
  }
  // These two lines are outside the signature, so they must be nothing but a key.
  if (secret && !wg::secret_from_base64(value)) return bad_line(number, "not a WireGuard key");
  if (!parts.values.emplace(name, value).second) return bad_line(number, "the same setting is there twice");
  return {};
}

Result<Parts> take_apart(std::string_view text) {
  if (text.size() > kMaxProfile) return refuse("form", "longer than 64 KiB; no profile is");
  if (text.starts_with("\xef\xbb\xbf"))
    return refuse("form.byte_order_mark", "the file begins with a byte order mark: an editor has changed it");
  if (text.find('\r') != std::string_view::npos) {
    return refuse("form.line_ends", "the file has Windows line ends (CR LF): an editor or mail program has changed it");
  }
  if (!text.starts_with(std::string{kFirstLine} + "\n"))
    return refuse("form", "not a Sanad profile: \"# sanad-profile: 1\" is not its first line");
  if (!text.ends_with('\n')) return refuse("form", "the last line is cut off");
  Parts parts;
  std::string section;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    if (auto ok = take_line(parts, section, text.substr(0, end), number); !ok) return ok.error();
    text.remove_prefix(end + 1);
  }
  return parts;
}

Result<std::uint64_t> number_of(const Parts& parts, std::string_view name) {
  const auto found = parts.meta.find(name);
  std::uint64_t number = 0;
  if (found != parts.meta.end()) {
    const std::string& text = found->second;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && end == text.data() + text.size()) return number;
  }
  return refuse("form", "\"# sanad-" + std::string{name} + "\" is missing or not a number");
}

Result<std::optional<WallTime>> time_of(const Parts& parts, std::string_view name) {
  const auto found = parts.meta.find(name);
  if (found == parts.meta.end()) return std::optional<WallTime>{};
  auto time = parse_rfc3339(found->second);
  if (!time) return refuse("form", "\"# sanad-" + std::string{name} + "\" is not a time");
  return std::optional<WallTime>{*time};
}

Result<Verified> check_certificate(const Parts& parts, const ProfileCheck& check) {
  if (parts.certificates.empty()) return refuse("certificate", "the profile carries no certificate");
  std::string chain;
  for (const std::string& base64 : parts.certificates) {
    auto pem = pem_from_line(base64);
    if (!pem) return pem.error();
    chain += *pem;
  }
  auto blocks = split_chain(chain);
  if (!blocks) return refuse("certificate", blocks.error().message);
  auto leaf = parse_certificate(blocks->front());
  if (!leaf) return refuse("certificate", leaf.error().message);
  const auto named = parts.meta.find("fingerprint");
  if (named == parts.meta.end() || named->second != fingerprint_text(leaf->fingerprint)) {
    return refuse("certificate", "the fingerprint in the profile is not its certificate's");
  }
  if (check.pin && *check.pin != leaf->fingerprint) {
    return refuse("pin", "not the pinned gateway: the certificate's fingerprint is " + fingerprint_text(leaf->fingerprint));
  }
  std::vector<Anchor> anchors = check.anchors;
  if (anchors.empty() && check.pin) anchors.push_back({leaf->pem, Level::self, {}});
  auto verified = verify(chain, anchors);
  if (!verified) {
    Error error = verified.error();
    if (error.code == Errc::refused_by_policy) error.field = "certificate";
    return error;
  }
  if (auto ok = check_dates(*verified, check.now); !ok) return refuse("certificate.dates", ok.error().message);
  return verified;
}

Result<void> check_signature(const Parts& parts, std::string_view text, const Certificate& leaf) {
  const Error edited = refuse("signature", "the signature does not fit: something in the profile was edited after it was issued");
  auto signature = base64_decode(parts.meta.at("signature"));
  if (!signature) return edited;
  auto certificate = read_certificate(leaf.pem);
  if (!certificate) return certificate.error();
  if (!verifies_bytes(X509_get0_pubkey(certificate->get()), signed_part(text), *signature)) return edited;
  return {};
}

// The value: when the revocation list that was given was issued.
Result<std::optional<WallTime>> check_lists(const ProfileCheck& check, const Verified& verified) {
  std::optional<WallTime> issued;
  if (check.revocation_list) {
    const RevocationState state = check_crl(*check.revocation_list, verified, check.now);
    if (state.status == RevocationState::Status::not_checked)
      return refuse("crl", "the gateway only declares itself: no revocation list can speak of it");
    if (state.status == RevocationState::Status::unavailable) return refuse("crl", state.detail);
    if (state.status == RevocationState::Status::revoked) {
      return refuse("revoked", "the gateway's registration was revoked by its issuer" +
                                   (state.revoked_at ? " on " + to_date(*state.revoked_at) : std::string{}) +
                                   (state.reason.empty() ? "" : " (" + state.reason + ")"));
    }
    if (state.stale)
      return refuse("crl",
                    "the revocation list is stale: a newer one was due on " + to_date(state.next_update.value_or(check.now)));
    issued = state.this_update;
  }
  if (check.genuine_list) {
    auto named = check_genuine_list(check.genuine_list->text, check.genuine_list->signature, verified, check.now);
    if (!named) return named.error();
  }
  return issued;
}

Result<void> check_peer(const Parts& parts, const RegistrationClaims& claims) {
  const auto key_text = parts.values.find("Peer.PublicKey");
  const auto endpoint_text = parts.values.find("Peer.Endpoint");
  if (key_text == parts.values.end()) return refuse("peer.public_key", "the profile names no server key");
  if (endpoint_text == parts.values.end()) return refuse("peer.endpoint", "the profile names no endpoint");
  auto key = wg::PublicKey::from_base64(key_text->second);
  if (!key) return refuse("peer.public_key", "the server key is not a WireGuard key");
  std::string_view endpoint = endpoint_text->second;
  const std::size_t colon = endpoint.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string_view::npos) {
    const std::string_view digits = endpoint.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) port = 0;
  }
  if (port == 0) return refuse("peer.endpoint", "the endpoint has no port");
  std::string_view host = endpoint.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return check_against_claims(claims, *key, host, port);
}

}  // namespace

Result<std::string> write_profile(const ProfileInput& input) {
  if (auto ok = check_input(input); !ok) return ok.error();
  std::string text = std::string{kFirstLine} + "\n# Gateway " + input.gateway_name + ": ";
  text += input.issuer ? input.issuer->sentence : "who runs it is not certified";
  text += ".\n# " + recorded(input.retention_days) + "\n";
  if (input.issuer) text += "# To check that it is genuine: sanad profile verify FILE --trust CA\n";
  if (!input.device_name.empty()) text += "# sanad-device: " + input.device_name + "\n";
  text += "# sanad-retention-days: " + std::to_string(input.retention_days) + "\n";
  text += "# sanad-issued: " + to_rfc3339(input.issued_at) + "\n";
  if (input.expires_at) text += "# sanad-expires: " + to_rfc3339(*input.expires_at) + "\n";
  text += "# sanad-sequence: " + std::to_string(input.sequence) + "\n";
  if (input.issuer) {
    auto lines = issuer_lines(input);
    if (!lines) return lines.error();
    text += *lines;
  }
  text += interface_lines(input);
  text += peer_lines(input);
  if (text.size() > kMaxProfile / 2) return wrong("networks", "more than a profile may hold (32 KiB)");
  return text;
}

Result<std::string> sign_profile(std::string_view text, const PrivateKeyPem& registration_key) {
  auto parts = take_apart(text);
  if (!parts) return parts.error();
  if (parts->meta.contains("signature")) return wrong("signature", "the profile is signed already");
  if (parts->certificates.empty()) return wrong("certificate", "a profile without a certificate cannot be signed");
  auto leaf = pem_from_line(parts->certificates.front());
  if (!leaf) return leaf.error();
  if (auto ok = check_key_matches(*leaf, registration_key); !ok) return ok.error();
  auto key = read_private_key(registration_key);
  if (!key) return key.error();
  std::string whole{text};
  // A blank line keeps the signature apart from [Peer] for the reader's eye; it is signed like the rest.
  whole += '\n';
  auto signature = sign_bytes(key->get(), signed_part(whole));
  if (!signature) return std::move(signature).error().within("the profile");
  return whole + std::string{kSignature} + base64_encode(*signature) + "\n";
}

Result<GenuineProfile> verify_profile(std::string_view text, const ProfileCheck& check) {
  auto parts = take_apart(text);
  if (!parts) return parts.error();
  if (!parts->meta.contains("signature"))
    return refuse("signature.missing", "the profile is not signed, or its signature was removed");
  auto verified = check_certificate(*parts, check);
  if (!verified) return verified.error();
  // Before the signature, which an edited key or endpoint breaks as well: so that the answer names what was edited.
  if (auto ok = check_peer(*parts, verified->certificate.claims); !ok) return ok.error();
  if (auto ok = check_signature(*parts, text, verified->certificate); !ok) return ok.error();
  auto not_revoked_at = check_lists(check, *verified);
  if (!not_revoked_at) return not_revoked_at.error();

  GenuineProfile profile;
  profile.not_revoked_at = *not_revoked_at;
  profile.on_genuine_list = check.genuine_list.has_value();
  auto issued = time_of(*parts, "issued");
  if (!issued) return issued.error();
  if (!*issued) return refuse("form", "\"# sanad-issued\" is missing");
  profile.issued_at = **issued;
  auto expires = time_of(*parts, "expires");
  if (!expires) return expires.error();
  profile.expires_at = *expires;
  if (profile.expires_at && check.now > *profile.expires_at) {
    return refuse("expires", "the profile expired on " + to_date(*profile.expires_at) + "; ask for a new one");
  }
  auto sequence = number_of(*parts, "sequence");
  if (!sequence) return sequence.error();
  profile.sequence = *sequence;
  if (check.least_sequence && profile.sequence < *check.least_sequence) {
    return refuse("sequence", "an old profile: its number is " + std::to_string(profile.sequence) + ", and " +
                                  std::to_string(*check.least_sequence) + " was issued already");
  }
  auto retention = number_of(*parts, "retention-days");
  if (!retention) return retention.error();
  profile.retention_days = static_cast<int>(std::min<std::uint64_t>(*retention, 1'000'000));
  if (const auto device = parts->meta.find("device"); device != parts->meta.end()) profile.device_name = device->second;
  profile.verified = *std::move(verified);
  return profile;
}

std::string explain_profile(const GenuineProfile& profile) {
  std::string since;
  if (profile.not_revoked_at) since = "not revoked: its issuer's list of " + to_date(*profile.not_revoked_at);
  if (profile.on_genuine_list) since += (since.empty() ? "" : ", and ") + std::string{"named by the list of the genuine"};
  if (since.empty() && profile.verified.level != Level::self)
    since = "whether its issuer has revoked it since was not asked: --crl FILE, --list FILE";
  if (!since.empty()) since += "\n";
  return "genuine: " + sentence_for_client(profile.verified) + "\n" + since + recorded(profile.retention_days) + "\n";
}

}  // namespace sanad::registration
