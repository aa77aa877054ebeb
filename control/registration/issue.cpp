#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "control/registration/extension.hpp"
#include "control/registration/openssl.hpp"
#include "control/registration/signing.hpp"

namespace sanad::registration {
namespace {

struct Signer {
  X509* certificate;  // null: the new certificate signs itself
  EVP_PKEY* key;
};

struct Attribute {
  int nid;
  std::string_view value;
};

constexpr std::size_t kMaxPublicKeyPem = 16 * 1024;

Result<KeyPtr> read_public_key(std::string_view pem) {
  const BioPtr bio{pem.size() > kMaxPublicKeyPem ? nullptr : BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  KeyPtr key{bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr};
  if (!key) {
    (void)from_openssl("");
    return Error{Errc::invalid_argument, "not a public key in PEM", "subject_public_key"};
  }
  if (auto weakness = weakness_of_key(key.get())) {
    return Error{Errc::invalid_argument, "the key is too weak to be certified: " + *weakness, "subject_public_key"};
  }
  return key;
}

Result<void> check_validity(const Validity& validity) {
  if (validity.not_before.ns < 0 || validity.not_after <= validity.not_before) {
    return Error{Errc::invalid_argument, "the certificate would end before it begins", "validity"};
  }
  return {};
}

// RFC 5280 section 4.1.2.2: positive, at most 20 bytes; 127 random bits so that no one guesses the next.
bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  const BignumPtr number{BN_bin2bn(bytes.data(), bytes.size(), nullptr)};
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_name(X509* certificate, const std::vector<Attribute>& attributes) {
  X509_NAME* name = X509_get_subject_name(certificate);
  return std::all_of(attributes.begin(), attributes.end(), [name](const Attribute& attribute) {
    return attribute.value.empty() || X509_NAME_add_entry_by_NID(name, attribute.nid, MBSTRING_UTF8,
                                                                 reinterpret_cast<const unsigned char*>(attribute.value.data()),
                                                                 static_cast<int>(attribute.value.size()), -1, 0) == 1;
  });
}

// `value` is OpenSSL's own configuration syntax: constants of this file only, never text from outside.
bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer == nullptr ? certificate : issuer, certificate, nullptr, nullptr, 0);
  const X509ExtensionPtr extension{X509V3_EXT_conf_nid(nullptr, &context, nid, value)};
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<X509Ptr> begin(const std::vector<Attribute>& subject, EVP_PKEY* subject_key, const Signer& signer, Validity validity) {
  if (auto ok = check_validity(validity); !ok) return ok.error();
  X509Ptr certificate{X509_new()};
  X509* raw = certificate.get();
  const auto from = static_cast<time_t>(validity.not_before.ns / 1'000'000'000);
  const auto until = static_cast<time_t>(validity.not_after.ns / 1'000'000'000);
  const bool good =
      raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1 && set_serial(raw) && set_name(raw, subject) &&
      ASN1_TIME_set(X509_getm_notBefore(raw), from) != nullptr && ASN1_TIME_set(X509_getm_notAfter(raw), until) != nullptr &&
      X509_set_pubkey(raw, subject_key) == 1 &&
      X509_set_issuer_name(raw, X509_get_subject_name(signer.certificate == nullptr ? raw : signer.certificate)) == 1;
  if (!good) return from_openssl("couldn't build the certificate");
  return certificate;
}

Result<std::string> finish(X509* certificate, const Signer& signer) {
  bool good = add_extension(certificate, signer.certificate, NID_subject_key_identifier, "hash");
  if (signer.certificate != nullptr) {
    good = good && add_extension(certificate, signer.certificate, NID_authority_key_identifier, "keyid:always");
  }
  if (!good || X509_sign(certificate, signer.key, digest_for(signer.key)) == 0)
    return from_openssl("couldn't sign the certificate");
  return certificate_to_pem(certificate);
}

bool push_name(GENERAL_NAMES* names, int type, std::span<const std::uint8_t> bytes) {
  std::unique_ptr<GENERAL_NAME, Freer<GENERAL_NAME_free>> name{GENERAL_NAME_new()};
  ASN1_STRING* value = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
  if (!name || value == nullptr) return false;
  GENERAL_NAME_set0_value(name.get(), type, value);
  if (ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return false;
  (void)name.release();  // the stack owns it now
  return true;
}

bool add_alternative_names(X509* certificate, const RegistrationClaims& claims) {
  if (claims.addresses.empty() && claims.dns_names.empty()) return true;
  const GeneralNamesPtr names{sk_GENERAL_NAME_new_null()};
  bool good = names != nullptr;
  for (const IpAddress& address : claims.addresses) good = good && push_name(names.get(), GEN_IPADD, address.bytes());
  for (const std::string& name : claims.dns_names) good = good && push_name(names.get(), GEN_DNS, as_bytes(name));
  return good && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_registration(X509* certificate, const Bytes& der) {
  const ObjectPtr oid{OBJ_txt2obj(kExtensionOid, 1)};
  const OctetStringPtr value{ASN1_OCTET_STRING_new()};
  if (!oid || !value || ASN1_OCTET_STRING_set(value.get(), der.data(), static_cast<int>(der.size())) != 1) return false;
  const X509ExtensionPtr extension{X509_EXTENSION_create_by_OBJ(nullptr, oid.get(), 0, value.get())};
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<std::string> issue_registration(const RegistrationClaims& claims, EVP_PKEY* subject_key, const Signer& signer,
                                       Validity validity) {
  if (auto ok = check_claims(claims); !ok) return ok.error();
  auto der = encode_extension(claims);
  if (!der) return der.error();
  auto certificate = begin({{NID_countryName, claims.country},
                            {NID_organizationName, claims.legal_name},
                            {NID_organizationIdentifier, claims.organization_identifier}},
                           subject_key, signer, validity);
  if (!certificate) return certificate.error();
  X509* raw = certificate->get();
  const bool good = add_extension(raw, signer.certificate, NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(raw, signer.certificate, NID_key_usage, "critical,digitalSignature") &&
                    add_alternative_names(raw, claims) && add_registration(raw, *der);
  if (!good) return from_openssl("couldn't build the certificate");
  return finish(raw, signer);
}

Result<std::string> issue_authority(std::string_view name, std::string_view country, EVP_PKEY* subject_key, const Signer& signer,
                                    Validity validity, int path_length) {
  if (name.empty() || name.size() > kMaxLegalName || !is_plain_text(name)) {
    return Error{Errc::invalid_argument, "name: 1 to 64 bytes of plain text", "name"};
  }
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (country.size() != 2 || !std::all_of(country.begin(), country.end(), is_upper)) {
    return Error{Errc::invalid_argument, "country: not two capital letters (ISO 3166-1)", "country"};
  }
  if (path_length < 0 || static_cast<std::size_t>(path_length) > kMaxChain - 2) {
    return Error{Errc::invalid_argument, "path_length: 0 to 3, because a chain has at most five certificates", "path_length"};
  }
  auto certificate =
      begin({{NID_countryName, country}, {NID_organizationName, name}, {NID_commonName, name}}, subject_key, signer, validity);
  if (!certificate) return certificate.error();
  X509* raw = certificate->get();
  const std::string constraints = "critical,CA:TRUE,pathlen:" + std::to_string(path_length);
  const bool good = add_extension(raw, signer.certificate, NID_basic_constraints, constraints.c_str()) &&
                    add_extension(raw, signer.certificate, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign");
  if (!good) return from_openssl("couldn't build the certificate");
  return finish(raw, signer);
}

}  // namespace

Result<OpenIssuer> open_issuer(const Issuer& issuer) {
  auto certificate = read_certificate(issuer.certificate_pem);
  if (!certificate) return std::move(certificate.error()).within("issuer");
  auto key = read_private_key(issuer.key);
  if (!key) return std::move(key.error()).within("issuer");
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    (void)from_openssl("");
    return Error{Errc::invalid_argument, "issuer: the key is not the certificate's", "key"};
  }
  if (X509_check_ca(certificate->get()) != 1) {
    return Error{Errc::invalid_argument, "issuer: the certificate may not issue others (no CA)", "certificate"};
  }
  return OpenIssuer{*std::move(certificate), *std::move(key)};
}

Result<std::string> issue_self(const RegistrationClaims& claims, const PrivateKeyPem& key, Validity validity) {
  auto own = read_private_key(key);
  if (!own) return own.error();
  return issue_registration(claims, own->get(), Signer{nullptr, own->get()}, validity);
}

Result<std::string> issue_by(Issuer issuer, const RegistrationClaims& claims, std::string_view subject_public_key,
                             Validity validity) {
  auto open = open_issuer(issuer);
  if (!open) return open.error();
  auto subject_key = read_public_key(subject_public_key);
  if (!subject_key) return subject_key.error();
  return issue_registration(claims, subject_key->get(), Signer{open->certificate.get(), open->key.get()}, validity);
}

Result<std::string> prepare_certificate(std::string_view issuer_pem, const RegistrationClaims& claims,
                                        std::string_view subject_public_key, Validity validity) {
  auto issuer = read_certificate(issuer_pem);
  if (!issuer) return std::move(issuer).error().within("issuer");
  auto subject_key = read_public_key(subject_public_key);
  if (!subject_key) return subject_key.error();
  const KeyPtr key = throwaway_key();
  if (!key) return from_openssl("couldn't make a key");
  return issue_registration(claims, subject_key->get(), Signer{issuer->get(), key.get()}, validity);
}

Result<std::string> make_root(std::string_view name, std::string_view country, const PrivateKeyPem& key, Validity validity,
                              int path_length) {
  auto own = read_private_key(key);
  if (!own) return own.error();
  return issue_authority(name, country, own->get(), Signer{nullptr, own->get()}, validity, path_length);
}

Result<std::string> make_intermediate(Issuer issuer, std::string_view name, std::string_view country,
                                      std::string_view subject_public_key, Validity validity, int path_length) {
  auto open = open_issuer(issuer);
  if (!open) return open.error();
  auto subject_key = read_public_key(subject_public_key);
  if (!subject_key) return subject_key.error();
  return issue_authority(name, country, subject_key->get(), Signer{open->certificate.get(), open->key.get()}, validity,
                         path_length);
}

}  // namespace sanad::registration
