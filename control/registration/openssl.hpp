#pragma once
// OpenSSL's handles in owning types, and its errors in our words. Only this room's .cpp files include it.

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "control/registration/certificate.hpp"

namespace sanad::registration {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using X509ReqPtr = std::unique_ptr<X509_REQ, Freer<X509_REQ_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, Freer<X509_CRL_free>>;
using X509NamePtr = std::unique_ptr<X509_NAME, Freer<X509_NAME_free>>;
using X509ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, Freer<BN_free>>;
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, Freer<ASN1_OBJECT_free>>;
using OctetStringPtr = std::unique_ptr<ASN1_OCTET_STRING, Freer<ASN1_OCTET_STRING_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

// Takes what OpenSSL queued as its reason: "<what>: <reason>", internal. Empties the queue.
Error from_openssl(std::string_view what);

// One certificate: exactly one PEM block with nothing but white space around it.
Result<X509Ptr> read_certificate(std::string_view pem);
Result<std::string> certificate_to_pem(X509* certificate);
Result<CertificateSummary> summarise(X509* certificate);
Result<Certificate> read_registration(X509* certificate);
// Subject, names and extension of a certificate, checked.
Result<RegistrationClaims> read_claims(X509* certificate);
Result<KeyPtr> read_private_key(const PrivateKeyPem& key);
// A key for a signature that a later one replaces.
KeyPtr throwaway_key();

// An issuer's parts, read and found to belong together. invalid_argument: another's key, no issuing certificate.
struct OpenIssuer {
  X509Ptr certificate;
  KeyPtr key;
};
Result<OpenIssuer> open_issuer(const Issuer& issuer);

// PEM or DER, the whole text exactly one list; null when it is none.
X509CrlPtr read_crl(std::string_view text);

// Null for the algorithms that bring their own digest.
const EVP_MD* digest_for(EVP_PKEY* key);
Result<Bytes> sign_bytes(EVP_PKEY* key, std::string_view message);
bool verifies_bytes(EVP_PKEY* key, std::string_view message, std::span<const std::uint8_t> signature);

// UTCTime or GeneralizedTime; times past 2262 come back as the last WallTime there is.
Result<WallTime> to_wall(const ASN1_TIME* time);
// A name's text must be printable before it reaches a table or a log.
Result<std::string> name_text(const X509_NAME* name);
std::string drain(BIO* bio);

// nullopt when the key is RSA >= 2048, P-256 or stronger, Ed25519 or Ed448; otherwise what it is instead.
std::optional<std::string> weakness_of_key(EVP_PKEY* key);

}  // namespace sanad::registration
