#include "control/registration/openssl.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <ctime>
#include <limits>

namespace sanad::registration {

Error from_openssl(std::string_view what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return {Errc::internal, std::string{what} + ": " + (reason == nullptr ? "OpenSSL gave no reason" : reason)};
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string{data, static_cast<std::size_t>(size)} : std::string{};
}

Result<WallTime> to_wall(const ASN1_TIME* time) {
  std::tm broken{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &broken) != 1) {
    (void)from_openssl("");
    return Error{Errc::invalid_argument, "a time in the certificate is malformed"};
  }
  constexpr std::int64_t kLastSecond = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  const std::int64_t second = ::timegm(&broken);
  return WallTime{std::clamp<std::int64_t>(second, -kLastSecond, kLastSecond) * 1'000'000'000};
}

Result<std::string> name_text(const X509_NAME* name) {
  const BioPtr bio{BIO_new(BIO_s_mem())};
  constexpr unsigned long kFlags = XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN | ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL |
                                   ASN1_STRFLGS_UTF8_CONVERT | ASN1_STRFLGS_DUMP_UNKNOWN | ASN1_STRFLGS_DUMP_DER;
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, kFlags) < 0) return from_openssl("couldn't read a name in the certificate");
  std::string text = drain(bio.get());
  if (!is_plain_text(text))
    return Error{Errc::invalid_argument, "a name in the certificate is not UTF-8, or has control characters"};
  return text;
}

namespace {
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
}  // namespace

const EVP_MD* digest_for(EVP_PKEY* key) {
  const int type = EVP_PKEY_get_base_id(key);
  return type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448 ? nullptr : EVP_sha256();
}

Result<Bytes> sign_bytes(EVP_PKEY* key, std::string_view message) {
  const DigestContextPtr context{EVP_MD_CTX_new()};
  const auto bytes = as_bytes(message);
  std::size_t size = 0;
  if (!context || EVP_DigestSignInit(context.get(), nullptr, digest_for(key), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes.data(), bytes.size()) != 1) {
    return from_openssl("couldn't sign");
  }
  Bytes signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, bytes.data(), bytes.size()) != 1) {
    return from_openssl("couldn't sign");
  }
  signature.resize(size);
  return signature;
}

bool verifies_bytes(EVP_PKEY* key, std::string_view message, std::span<const std::uint8_t> signature) {
  const DigestContextPtr context{EVP_MD_CTX_new()};
  const auto bytes = as_bytes(message);
  const bool good = context && EVP_DigestVerifyInit(context.get(), nullptr, digest_for(key), nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes.data(), bytes.size()) == 1;
  if (!good) (void)from_openssl("");
  return good;
}

std::optional<std::string> weakness_of_key(EVP_PKEY* key) {
  if (key == nullptr) return "a kind of key that is not known here";
  const int type = EVP_PKEY_get_base_id(key);
  const std::string bits = std::to_string(EVP_PKEY_get_bits(key));
  // 112 bits of strength is RSA 2048 (NIST SP 800-57 part 1, table 2).
  constexpr int kLeastStrength = 112;
  if (type == EVP_PKEY_RSA || type == EVP_PKEY_RSA_PSS) {
    if (EVP_PKEY_get_bits(key) >= 2048) return std::nullopt;
    return "RSA with " + bits + " bits; 2048 are the least";
  }
  if (type == EVP_PKEY_EC) {
    if (EVP_PKEY_get_bits(key) >= 256 && EVP_PKEY_get_security_bits(key) >= kLeastStrength) return std::nullopt;
    return "an elliptic curve key with " + bits + " bits; 256 are the least";
  }
  if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448) return std::nullopt;
  return "neither RSA, ECDSA nor EdDSA";
}

}  // namespace sanad::registration
