#include "control/registration/extension.hpp"

#include <openssl/asn1t.h>

#include <algorithm>
#include <array>
#include <memory>

#include "control/registration/openssl.hpp"

namespace sanad::registration {
namespace {

struct Extension {
  ASN1_INTEGER* version;
  ASN1_UTF8STRING* authority;
  ASN1_UTF8STRING* regime;
  ASN1_ENUMERATED* category;
  ASN1_UTF8STRING* reference;         // optional
  ASN1_GENERALIZEDTIME* approved_on;  // optional
  ASN1_GENERALIZEDTIME* valid_until;  // optional
  ASN1_UTF8STRING* purpose;
  ASN1_OCTET_STRING* wireguard_key;
  STACK_OF(ASN1_INTEGER) * listen_ports;
  ASN1_UTF8STRING* gateway_id;
};

ASN1_SEQUENCE(Extension) =
    {
        ASN1_SIMPLE(Extension, version, ASN1_INTEGER),
        ASN1_SIMPLE(Extension, authority, ASN1_UTF8STRING),
        ASN1_SIMPLE(Extension, regime, ASN1_UTF8STRING),
        ASN1_SIMPLE(Extension, category, ASN1_ENUMERATED),
        ASN1_EXP_OPT(Extension, reference, ASN1_UTF8STRING, 0),
        ASN1_EXP_OPT(Extension, approved_on, ASN1_GENERALIZEDTIME, 1),
        ASN1_EXP_OPT(Extension, valid_until, ASN1_GENERALIZEDTIME, 2),
        ASN1_SIMPLE(Extension, purpose, ASN1_UTF8STRING),
        ASN1_SIMPLE(Extension, wireguard_key, ASN1_OCTET_STRING),
        ASN1_SEQUENCE_OF(Extension, listen_ports, ASN1_INTEGER),
        ASN1_SIMPLE(Extension, gateway_id, ASN1_UTF8STRING),
} static_ASN1_SEQUENCE_END(Extension)

        constexpr std::int64_t kVersion = 1;

struct ExtensionFreer {
  void operator()(Extension* value) const { ASN1_item_free(reinterpret_cast<ASN1_VALUE*>(value), ASN1_ITEM_rptr(Extension)); }
};
using ExtensionPtr = std::unique_ptr<Extension, ExtensionFreer>;

Result<Bytes> encode(const Extension* value) {
  unsigned char* der = nullptr;
  const int size = ASN1_item_i2d(reinterpret_cast<const ASN1_VALUE*>(value), &der, ASN1_ITEM_rptr(Extension));
  if (size < 0) return from_openssl("couldn't encode the registration extension");
  const std::unique_ptr<unsigned char, Freer<[](unsigned char* p) { OPENSSL_free(p); }>> owner{der};
  return Bytes{der, der + size};
}

Error malformed(std::string_view field, std::string_view why) {
  return {Errc::invalid_argument, "malformed registration extension: " + std::string{why}, std::string{field}};
}

bool set_text(ASN1_STRING* target, std::string_view text) {
  return ASN1_STRING_set(target, text.data(), static_cast<int>(text.size())) == 1;
}

std::string text_of(const ASN1_STRING* text) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
  return {data, static_cast<std::size_t>(ASN1_STRING_length(text))};
}

bool set_time(ASN1_GENERALIZEDTIME*& target, const std::optional<WallTime>& time) {
  if (!time) return true;
  target = ASN1_GENERALIZEDTIME_set(nullptr, static_cast<time_t>(time->ns / 1'000'000'000));
  return target != nullptr;
}

Result<std::optional<WallTime>> time_of(const ASN1_GENERALIZEDTIME* time, std::string_view field) {
  if (time == nullptr) return std::optional<WallTime>{};
  // DER has one spelling, YYYYMMDDHHMMSSZ; OpenSSL's reader knows more.
  const std::string text = text_of(time);
  if (text.size() != 15 || text.back() != 'Z') return malformed(field, "a time must be written YYYYMMDDHHMMSSZ");
  auto wall = to_wall(time);
  if (!wall) return malformed(field, "not a time");
  return std::optional<WallTime>{*wall};
}

}  // namespace

Result<Bytes> encode_extension(const RegistrationClaims& claims) {
  const Error failed{Errc::internal, "couldn't build the registration extension: out of memory"};
  const ExtensionPtr value{reinterpret_cast<Extension*>(ASN1_item_new(ASN1_ITEM_rptr(Extension)))};
  if (!value) return failed;
  bool good = ASN1_INTEGER_set_int64(value->version, kVersion) == 1 && set_text(value->authority, claims.authority) &&
              set_text(value->regime, claims.regime) &&
              ASN1_ENUMERATED_set_int64(value->category, static_cast<std::int64_t>(claims.category)) == 1 &&
              set_time(value->approved_on, claims.approved_on) && set_time(value->valid_until, claims.registration_valid_until) &&
              set_text(value->purpose, claims.purpose) &&
              ASN1_OCTET_STRING_set(value->wireguard_key, claims.wireguard_key.bytes().data(), wg::PublicKey::kSize) == 1 &&
              set_text(value->gateway_id, claims.gateway_id);
  if (good && claims.reference) {
    value->reference = ASN1_UTF8STRING_new();
    good = value->reference != nullptr && set_text(value->reference, *claims.reference);
  }
  for (const std::uint16_t port : claims.listen_ports) {
    std::unique_ptr<ASN1_INTEGER, Freer<ASN1_INTEGER_free>> number{ASN1_INTEGER_new()};
    good = good && number && ASN1_INTEGER_set_int64(number.get(), port) == 1 &&
           sk_ASN1_INTEGER_push(value->listen_ports, number.get()) > 0;
    if (good) (void)number.release();  // the stack owns it now
  }
  if (!good) return failed;
  return encode(value.get());
}

Result<void> decode_extension(std::span<const std::uint8_t> der, RegistrationClaims& claims) {
  if (der.empty() || der.size() > kMaxExtensionDer) return malformed("extension", "longer than 2048 bytes, or empty");
  const unsigned char* cursor = der.data();
  const ExtensionPtr value{
      reinterpret_cast<Extension*>(ASN1_item_d2i(nullptr, &cursor, static_cast<long>(der.size()), ASN1_ITEM_rptr(Extension)))};
  if (!value) {
    (void)from_openssl("");
    return malformed("extension", "not the ASN.1 of a registration");
  }
  auto again = encode(value.get());
  if (!again) return again.error();
  if (!std::equal(again->begin(), again->end(), der.begin(), der.end())) {
    return malformed("extension", "not DER, or bytes after its end");
  }
  std::int64_t number = 0;
  if (ASN1_INTEGER_get_int64(&number, value->version) != 1 || number != kVersion) {
    return malformed("version", "only version 1 is known here");
  }
  if (ASN1_ENUMERATED_get_int64(&number, value->category) != 1 || number < 0 ||
      number > static_cast<std::int64_t>(Category::licensed_provider)) {
    return malformed("category", "not one of the five categories");
  }
  claims.category = static_cast<Category>(number);
  claims.authority = text_of(value->authority);
  claims.regime = text_of(value->regime);
  claims.purpose = text_of(value->purpose);
  claims.gateway_id = text_of(value->gateway_id);
  claims.reference.reset();
  if (value->reference != nullptr) claims.reference = text_of(value->reference);
  auto approved_on = time_of(value->approved_on, "approved_on");
  if (!approved_on) return approved_on.error();
  claims.approved_on = *approved_on;
  auto valid_until = time_of(value->valid_until, "registration_valid_until");
  if (!valid_until) return valid_until.error();
  claims.registration_valid_until = *valid_until;

  std::array<std::uint8_t, wg::PublicKey::kSize> key{};
  const std::span<const std::uint8_t> octets{ASN1_STRING_get0_data(value->wireguard_key),
                                             static_cast<std::size_t>(ASN1_STRING_length(value->wireguard_key))};
  if (octets.size() != key.size()) return malformed("wireguard_key", "a WireGuard key has 32 bytes");
  std::copy(octets.begin(), octets.end(), key.begin());
  claims.wireguard_key = wg::PublicKey{key};

  const int ports = sk_ASN1_INTEGER_num(value->listen_ports);
  if (ports < 1 || static_cast<std::size_t>(ports) > kMaxListenPorts) return malformed("listen_ports", "1 to 16 ports");
  claims.listen_ports.clear();
  for (int i = 0; i < ports; ++i) {
    if (ASN1_INTEGER_get_int64(&number, sk_ASN1_INTEGER_value(value->listen_ports, i)) != 1 || number < 1 || number > 65535) {
      return malformed("listen_ports", "a port is 1 to 65535");
    }
    claims.listen_ports.push_back(static_cast<std::uint16_t>(number));
  }
  return {};
}

}  // namespace sanad::registration
