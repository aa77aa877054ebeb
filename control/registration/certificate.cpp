#include "control/registration/certificate.hpp"

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include <algorithm>

#include "control/registration/extension.hpp"
#include "control/registration/openssl.hpp"

namespace sanad::registration {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr std::string_view kWhiteSpace = " \t\r\n";

Error invalid(std::string message, std::string field = "certificate") {
  return {Errc::invalid_argument, std::move(message), std::move(field)};
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

// Cuts the first block off `text`.
Result<std::string_view> next_block(std::string_view& text) {
  text = trim(text);
  if (!text.starts_with(kBegin)) return invalid("not a PEM certificate: \"-----BEGIN CERTIFICATE-----\" expected");
  const std::size_t end = text.find(kEnd);
  if (end == std::string_view::npos) return invalid("a PEM certificate without its end: the file is cut off");
  const std::string_view block = text.substr(0, end + kEnd.size());
  if (block.find(kBegin, 1) != std::string_view::npos) return invalid("a PEM certificate inside another");
  text = trim(text.substr(block.size()));
  return block;
}

Result<Bytes> der_of(std::string_view block) {
  const BioPtr bio{BIO_new_mem_buf(block.data(), static_cast<int>(block.size()))};
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  const bool read = bio && PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1;
  Bytes der;
  const bool plain = read && header[0] == '\0';
  if (plain) der.assign(data, data + size);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  if (!plain) {
    (void)from_openssl("");
    return invalid("the PEM certificate is damaged: its base64 cannot be read");
  }
  if (der.size() > kMaxCertificateDer) return invalid("the certificate is larger than 16 KiB");
  return der;
}

Result<X509Ptr> decode(const Bytes& der) {
  const unsigned char* cursor = der.data();
  X509Ptr certificate{d2i_X509(nullptr, &cursor, static_cast<long>(der.size()))};
  if (!certificate) {
    (void)from_openssl("");
    return invalid("not an X.509 certificate: its DER is malformed");
  }
  if (cursor != der.data() + der.size()) return invalid("bytes follow the end of the certificate");
  unsigned char* again = nullptr;
  const int size = i2d_X509(certificate.get(), &again);
  const bool same = size >= 0 && std::equal(der.begin(), der.end(), again, again + size);
  OPENSSL_free(again);
  if (!same) return invalid("the certificate is not DER");
  return certificate;
}

// The one value of an attribute; empty when there is none.
Result<std::string> attribute(const X509_NAME* name, int nid, std::string_view field) {
  const int index = X509_NAME_get_index_by_NID(name, nid, -1);
  if (index < 0) return std::string{};
  if (X509_NAME_get_index_by_NID(name, nid, index) >= 0) {
    return invalid(std::string{field} + ": given twice in the subject", std::string{field});
  }
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  if (size < 0) {
    (void)from_openssl("");
    return invalid(std::string{field} + ": not text", std::string{field});
  }
  std::string text{reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)};
  OPENSSL_free(utf8);
  return text;
}

Result<void> read_alternative_name(const GENERAL_NAME* name, RegistrationClaims& claims) {
  int type = -1;
  const void* value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_IPADD && type != GEN_DNS) {
    return invalid("subject alternative name: only addresses and DNS names belong into a registration", "dns_names");
  }
  const auto* text = static_cast<const ASN1_STRING*>(value);
  const std::span<const std::uint8_t> bytes{ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text))};
  if (type == GEN_DNS) {
    if (claims.dns_names.size() == kMaxDnsNames) return invalid("dns_names: more than 16", "dns_names");
    claims.dns_names.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  if (claims.addresses.size() == kMaxAddresses) return invalid("addresses: more than 64", "addresses");
  if (bytes.size() == 4) {
    claims.addresses.push_back(IpAddress::v4(bytes.first<4>()));
  } else if (bytes.size() == 16) {
    claims.addresses.push_back(IpAddress::v6(bytes.first<16>()));
  } else {
    return invalid("addresses: an address has 4 or 16 bytes, this one " + std::to_string(bytes.size()), "addresses");
  }
  return {};
}

Result<void> read_alternative_names(const X509* certificate, RegistrationClaims& claims) {
  int critical = -1;
  const GeneralNamesPtr names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr))};
  if (!names) {
    (void)from_openssl("");
    if (critical == -1) return {};
    return invalid("subject alternative name: malformed or given twice", "addresses");
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    if (auto ok = read_alternative_name(sk_GENERAL_NAME_value(names.get(), i), claims); !ok) return ok;
  }
  return {};
}

Result<void> read_extension(const X509* certificate, RegistrationClaims& claims) {
  const ObjectPtr oid{OBJ_txt2obj(kExtensionOid, 1)};
  if (!oid) return from_openssl("couldn't make the object identifier");
  const int index = X509_get_ext_by_OBJ(certificate, oid.get(), -1);
  if (index < 0) {
    return invalid("not a registration certificate: the registration extension is missing", "extension");
  }
  if (X509_get_ext_by_OBJ(certificate, oid.get(), index) >= 0) {
    return invalid("the registration extension is there twice", "extension");
  }
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate, index));
  return decode_extension({ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))}, claims);
}

}  // namespace

Result<X509Ptr> read_certificate(std::string_view pem) {
  if (pem.size() > kMaxPem) return invalid("more text than five certificates need");
  auto block = next_block(pem);
  if (!block) return block.error();
  if (!pem.empty()) return invalid("one certificate expected, more text follows it");
  auto der = der_of(*block);
  if (!der) return der.error();
  return decode(*der);
}

Result<std::string> certificate_to_pem(X509* certificate) {
  const BioPtr bio{BIO_new(BIO_s_mem())};
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return from_openssl("couldn't write the certificate");
  return drain(bio.get());
}

Result<CertificateSummary> summarise(X509* certificate) {
  CertificateSummary summary;
  auto subject = name_text(X509_get_subject_name(certificate));
  if (!subject) return subject.error();
  summary.subject = *subject;
  auto issuer = name_text(X509_get_issuer_name(certificate));
  if (!issuer) return issuer.error();
  summary.issuer = *issuer;
  for (const int nid : {NID_organizationName, NID_commonName}) {
    if (!summary.name.empty()) break;
    auto name = attribute(X509_get_subject_name(certificate), nid, "subject");
    if (!name) return name.error();
    summary.name = *name;
  }
  if (!is_plain_text(summary.name)) return invalid("a name in the certificate has control characters", "subject");
  if (summary.name.empty()) summary.name = summary.subject;

  const BignumPtr serial{ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr)};
  char* hex = serial ? BN_bn2hex(serial.get()) : nullptr;
  if (hex == nullptr) return from_openssl("couldn't read the serial number");
  summary.serial = hex;
  OPENSSL_free(hex);
  std::transform(summary.serial.begin(), summary.serial.end(), summary.serial.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });

  auto not_before = to_wall(X509_get0_notBefore(certificate));
  if (!not_before) return not_before.error();
  summary.not_before = *not_before;
  auto not_after = to_wall(X509_get0_notAfter(certificate));
  if (!not_after) return not_after.error();
  summary.not_after = *not_after;
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), summary.fingerprint.data(), &size) != 1) {
    return from_openssl("couldn't take the certificate's fingerprint");
  }
  auto pem = certificate_to_pem(certificate);
  if (!pem) return pem.error();
  summary.pem = *std::move(pem);
  return summary;
}

Result<RegistrationClaims> read_claims(X509* certificate) {
  RegistrationClaims claims;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  auto legal_name = attribute(subject, NID_organizationName, "legal_name");
  if (!legal_name) return legal_name.error();
  auto identifier = attribute(subject, NID_organizationIdentifier, "organization_identifier");
  if (!identifier) return identifier.error();
  auto country = attribute(subject, NID_countryName, "country");
  if (!country) return country.error();
  claims.legal_name = *legal_name;
  claims.organization_identifier = *identifier;
  claims.country = *country;
  if (auto ok = read_extension(certificate, claims); !ok) return ok.error();
  if (auto ok = read_alternative_names(certificate, claims); !ok) return ok.error();
  if (auto ok = check_claims(claims); !ok) return ok.error();
  return claims;
}

Result<Certificate> read_registration(X509* certificate) {
  auto summary = summarise(certificate);
  if (!summary) return summary.error();
  auto claims = read_claims(certificate);
  if (!claims) return claims.error();
  return Certificate{*std::move(summary), *std::move(claims)};
}

std::string fingerprint_text(const Sha256& fingerprint) {
  std::string text;
  for (std::size_t i = 0; i < fingerprint.size(); ++i) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    if (i > 0) text += ':';
    text += kDigits[fingerprint[i] >> 4];
    text += kDigits[fingerprint[i] & 15];
  }
  return text;
}

Result<Certificate> parse_certificate(std::string_view pem) {
  auto certificate = read_certificate(pem);
  if (!certificate) return certificate.error();
  return read_registration(certificate->get());
}

Result<CertificateSummary> parse_summary(std::string_view pem) {
  auto certificate = read_certificate(pem);
  if (!certificate) return certificate.error();
  return summarise(certificate->get());
}

Result<std::vector<std::string>> split_chain(std::string_view pem) {
  if (pem.size() > kMaxPem) return invalid("more text than five certificates need");
  std::vector<std::string> chain;
  do {
    if (chain.size() == kMaxChain) return invalid("more than five certificates");
    auto block = next_block(pem);
    if (!block) return block.error();
    auto certificate = read_certificate(*block);
    if (!certificate) return certificate.error();
    auto text = certificate_to_pem(certificate->get());
    if (!text) return text.error();
    chain.push_back(*std::move(text));
  } while (!pem.empty());
  return chain;
}

}  // namespace sanad::registration
