#include "control/registration/revocation_list.hpp"

#include <openssl/pem.h>

#include <array>
#include <utility>

#include "control/registration/openssl.hpp"
#include "control/registration/signing.hpp"

namespace sanad::registration {
namespace {

using RevokedPtr = std::unique_ptr<X509_REVOKED, Freer<X509_REVOKED_free>>;
using Asn1TimePtr = std::unique_ptr<ASN1_TIME, Freer<ASN1_TIME_free>>;
using Asn1IntegerPtr = std::unique_ptr<ASN1_INTEGER, Freer<ASN1_INTEGER_free>>;
using Asn1EnumeratedPtr = std::unique_ptr<ASN1_ENUMERATED, Freer<ASN1_ENUMERATED_free>>;

constexpr std::array<std::pair<RevocationReason, std::string_view>, 6> kReasons{{
    {RevocationReason::unspecified, "unspecified"},
    {RevocationReason::key_compromise, "keyCompromise"},
    {RevocationReason::affiliation_changed, "affiliationChanged"},
    {RevocationReason::superseded, "superseded"},
    {RevocationReason::cessation_of_operation, "cessationOfOperation"},
    {RevocationReason::privilege_withdrawn, "privilegeWithdrawn"},
}};

Asn1TimePtr time_of(WallTime time) { return Asn1TimePtr{ASN1_TIME_set(nullptr, static_cast<time_t>(time.ns / 1'000'000'000))}; }

Asn1IntegerPtr serial_of(const std::string& hex) {
  BIGNUM* number = nullptr;
  const int read = BN_hex2bn(&number, hex.c_str());
  const BignumPtr owner{number};
  if (read <= 0 || static_cast<std::size_t>(read) != hex.size()) return nullptr;
  return Asn1IntegerPtr{BN_to_ASN1_INTEGER(number, nullptr)};
}

bool add_entry(X509_CRL* list, const RevokedCertificate& revoked) {
  RevokedPtr entry{X509_REVOKED_new()};
  const Asn1IntegerPtr serial = serial_of(revoked.serial);
  const Asn1TimePtr at = time_of(revoked.at);
  bool good = entry && serial && at && X509_REVOKED_set_serialNumber(entry.get(), serial.get()) == 1 &&
              X509_REVOKED_set_revocationDate(entry.get(), at.get()) == 1;
  // RFC 5280: "unspecified" is said by saying nothing.
  if (good && revoked.reason != RevocationReason::unspecified) {
    const Asn1EnumeratedPtr reason{ASN1_ENUMERATED_new()};
    good = reason && ASN1_ENUMERATED_set_int64(reason.get(), static_cast<std::int64_t>(revoked.reason)) == 1 &&
           X509_REVOKED_add1_ext_i2d(entry.get(), NID_crl_reason, reason.get(), 0, 0) == 1;
  }
  if (!good || X509_CRL_add0_revoked(list, entry.get()) != 1) return false;
  (void)entry.release();  // the list owns it now
  return true;
}

Result<X509CrlPtr> build(X509* issuer, const RevocationListDraft& draft) {
  if (draft.next_update <= draft.this_update)
    return Error{Errc::invalid_argument, "the next revocation list would be due before this one", "next_update"};
  X509CrlPtr list{X509_CRL_new()};
  const Asn1TimePtr from = time_of(draft.this_update);
  const Asn1TimePtr until = time_of(draft.next_update);
  const Asn1IntegerPtr number{ASN1_INTEGER_new()};
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list.get(), 0);
  const X509ExtensionPtr key_id{X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always")};
  const bool good =
      list && from && until && number && key_id && X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) == 1 &&
      X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer)) == 1 &&
      X509_CRL_set1_lastUpdate(list.get(), from.get()) == 1 && X509_CRL_set1_nextUpdate(list.get(), until.get()) == 1 &&
      ASN1_INTEGER_set_uint64(number.get(), draft.number) == 1 && X509_CRL_add_ext(list.get(), key_id.get(), -1) == 1 &&
      X509_CRL_add1_ext_i2d(list.get(), NID_crl_number, number.get(), 0, 0) == 1;
  if (!good) return from_openssl("couldn't build the revocation list");
  for (const RevokedCertificate& revoked : draft.revoked) {
    if (add_entry(list.get(), revoked)) continue;
    (void)from_openssl("");
    return Error{Errc::invalid_argument, "not a serial number: " + revoked.serial, "revoked"};
  }
  X509_CRL_sort(list.get());
  return list;
}

Result<std::string> finish(X509_CRL* list, EVP_PKEY* key) {
  const BioPtr bio{BIO_new(BIO_s_mem())};
  if (!bio || X509_CRL_sign(list, key, digest_for(key)) == 0 || PEM_write_bio_X509_CRL(bio.get(), list) != 1)
    return from_openssl("couldn't sign the revocation list");
  return drain(bio.get());
}

}  // namespace

std::string_view to_string(RevocationReason reason) noexcept {
  for (const auto& [value, name] : kReasons) {
    if (value == reason) return name;
  }
  return "unspecified";
}

std::optional<RevocationReason> revocation_reason_from_string(std::string_view text) noexcept {
  for (const auto& [value, name] : kReasons) {
    if (name == text) return value;
  }
  return std::nullopt;
}

Result<std::string> make_revocation_list(Issuer issuer, const RevocationListDraft& draft) {
  auto open = open_issuer(issuer);
  if (!open) return open.error();
  auto list = build(open->certificate.get(), draft);
  if (!list) return list.error();
  return finish(list->get(), open->key.get());
}

Result<std::string> prepare_revocation_list(std::string_view issuer_pem, const RevocationListDraft& draft) {
  auto issuer = read_certificate(issuer_pem);
  if (!issuer) return std::move(issuer).error().within("issuer");
  auto list = build(issuer->get(), draft);
  if (!list) return list.error();
  const KeyPtr key = throwaway_key();
  if (!key) return from_openssl("couldn't make a key");
  return finish(list->get(), key.get());
}

Result<std::string> sign_prepared_revocation_list(Issuer issuer, std::string_view prepared) {
  auto open = open_issuer(issuer);
  if (!open) return open.error();
  auto list = read_crl(prepared);
  if (!list) return Error{Errc::invalid_argument, "not a prepared revocation list", "file"};
  if (X509_NAME_cmp(X509_CRL_get_issuer(list.get()), X509_get_subject_name(open->certificate.get())) != 0)
    return Error{Errc::invalid_argument, "the list was prepared for another issuer's key", "file"};
  return finish(list.get(), open->key.get());
}

Result<void> check_revocation_list_signature(std::string_view text, std::string_view issuer_pem) {
  auto issuer = read_certificate(issuer_pem);
  if (!issuer) return issuer.error();
  const X509CrlPtr list = read_crl(text);
  if (!list) return Error{Errc::invalid_argument, "not a revocation list (PEM or DER)", "file"};
  EVP_PKEY* key = X509_get0_pubkey(issuer->get());
  if (key != nullptr && X509_CRL_verify(list.get(), key) == 1) return {};
  (void)from_openssl("");
  return Error{Errc::refused_by_policy, "the revocation list is not signed by this registrar's key", "file"};
}

}  // namespace sanad::registration
