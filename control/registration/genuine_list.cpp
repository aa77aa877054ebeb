#include "control/registration/genuine_list.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "control/registration/openssl.hpp"
#include "control/registration/standing.hpp"

namespace sanad::registration {
namespace {

namespace json = boost::json;

constexpr std::string_view kKind = "sanad-genuine-list";
constexpr std::int64_t kVersion = 1;

Error malformed(std::string_view what) {
  return {Errc::invalid_argument, "not a list of genuine gateways: " + std::string{what}, "list"};
}

Error unusable(std::string message) { return {Errc::refused_by_policy, std::move(message), "list"}; }

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string{};
}

Result<WallTime> time_of(const json::object& object, std::string_view name) {
  auto time = parse_rfc3339(text_of(object, name));
  if (!time) return malformed("\"" + std::string{name} + "\" is not a time");
  return *time;
}

std::optional<Sha256> fingerprint_from(std::string_view hex) {
  const auto bytes = hex_decode(hex);
  Sha256 fingerprint{};
  if (!bytes || bytes->size() != fingerprint.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), fingerprint.begin());
  return fingerprint;
}

Result<GenuineGateway> gateway_of(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return malformed("a gateway is not an object");
  GenuineGateway gateway;
  const auto fingerprint = fingerprint_from(text_of(*object, "certificate_sha256"));
  if (!fingerprint) return malformed("a gateway without the fingerprint of its certificate");
  gateway.fingerprint = *fingerprint;
  gateway.legal_name = text_of(*object, "legal_name");
  gateway.gateway_id = text_of(*object, "gateway_id");
  if (const std::string reference = text_of(*object, "reference"); !reference.empty()) gateway.reference = reference;
  auto key = wg::PublicKey::from_base64(text_of(*object, "wireguard_key"));
  if (!key) return malformed("a gateway without a WireGuard key");
  gateway.wireguard_key = *key;
  auto until = time_of(*object, "valid_until");
  if (!until) return until.error();
  gateway.valid_until = *until;
  return gateway;
}

}  // namespace

std::string write_genuine_list(const GenuineList& list) {
  const json::object head{{"kind", kKind},
                          {"version", kVersion},
                          {"issuer", list.issuer},
                          {"number", list.number},
                          {"issued", to_rfc3339(list.issued)},
                          {"next_update", to_rfc3339(list.next_update)}};
  std::string text = json::serialize(head);
  text.pop_back();
  text += ",\"gateways\":[";
  bool first = true;
  for (const GenuineGateway& gateway : list.gateways) {
    json::object line{{"certificate_sha256", hex_encode(gateway.fingerprint)},
                      {"legal_name", gateway.legal_name},
                      {"gateway_id", gateway.gateway_id},
                      {"wireguard_key", gateway.wireguard_key.to_base64()},
                      {"valid_until", to_rfc3339(gateway.valid_until)}};
    if (gateway.reference) line["reference"] = *gateway.reference;
    text += (first ? "\n" : ",\n") + json::serialize(line);
    first = false;
  }
  return text + "\n]}\n";
}

Result<GenuineList> read_genuine_list(std::string_view text) {
  if (text.size() > kMaxGenuineList) return malformed("larger than 64 MiB");
  boost::system::error_code ec;
  const json::value whole = json::parse(text, ec);
  const json::object* root = ec ? nullptr : whole.if_object();
  if (root == nullptr || text_of(*root, "kind") != kKind) return malformed("its kind is another, or it is no JSON");
  const json::value* version = root->if_contains("version");
  if (version == nullptr || !version->is_int64() || version->as_int64() != kVersion)
    return malformed("its version is not known here");
  GenuineList list;
  list.issuer = text_of(*root, "issuer");
  if (const json::value* number = root->if_contains("number"); number != nullptr && number->is_int64())
    list.number = static_cast<std::uint64_t>(std::max<std::int64_t>(number->as_int64(), 0));
  auto issued = time_of(*root, "issued");
  if (!issued) return issued.error();
  list.issued = *issued;
  auto next = time_of(*root, "next_update");
  if (!next) return next.error();
  list.next_update = *next;
  const json::value* gateways = root->if_contains("gateways");
  if (gateways == nullptr || !gateways->is_array()) return malformed("it has no gateways");
  for (const json::value& one : gateways->as_array()) {
    auto gateway = gateway_of(one);
    if (!gateway) return gateway.error();
    list.gateways.push_back(*std::move(gateway));
  }
  return list;
}

Result<Bytes> sign_genuine_list(std::string_view text, Issuer issuer) {
  auto open = open_issuer(issuer);
  if (!open) return open.error();
  return sign_bytes(open->key.get(), text);
}

Result<void> check_list_signature(std::string_view text, std::span<const std::uint8_t> signature, std::string_view issuer_pem) {
  auto issuer = read_certificate(issuer_pem);
  if (!issuer) return issuer.error();
  if (verifies_bytes(X509_get0_pubkey(issuer->get()), text, signature)) return {};
  return unusable("the list of genuine gateways is not signed by who confirmed this gateway, or was changed");
}

Result<void> check_genuine_list(std::string_view text, std::span<const std::uint8_t> signature, const Verified& verified,
                                WallTime now) {
  if (verified.issuer_pem.empty())
    return unusable("the gateway only declares itself: no list of genuine gateways can speak for it");
  if (auto good = check_list_signature(text, signature, verified.issuer_pem); !good) return good;
  auto list = read_genuine_list(text);
  if (!list) return unusable(list.error().message);
  if (now > list->next_update)
    return unusable("the list of genuine gateways is stale: a newer one was due on " + to_date(list->next_update));
  const bool listed = std::any_of(list->gateways.begin(), list->gateways.end(), [&](const GenuineGateway& gateway) {
    return gateway.fingerprint == verified.certificate.fingerprint;
  });
  if (listed) return {};
  return Error{Errc::refused_by_policy, "this gateway is not on the list of genuine gateways of " + to_date(list->issued),
               "list.missing"};
}

}  // namespace sanad::registration
