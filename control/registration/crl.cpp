#include "control/registration/crl.hpp"

#include <openssl/pem.h>

#include <array>

#include "control/registration/openssl.hpp"

namespace sanad::registration {
namespace {

using Status = RevocationState::Status;

RevocationState unavailable(std::string why) {
  RevocationState state;
  state.status = Status::unavailable;
  state.detail = std::move(why);
  return state;
}

// A list of one kind of certificate, of one reason, or of changes since another says nothing about what is not on it.
bool is_partial(const X509_CRL* crl) {
  if (X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0) return true;
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) return true;
  return X509_CRL_get_ext_by_critical(crl, 1, -1) >= 0;
}

bool may_sign_crl(X509* issuer) { return (X509_get_key_usage(issuer) & KU_CRL_SIGN) != 0; }

std::string reason_of(const X509_REVOKED* entry) {
  // RFC 5280 section 5.3.1; 7 is not used.
  constexpr std::array<const char*, 11> kReasons = {
      "unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
      "superseded",    "cessationOfOperation", "certificateHold", "",
      "removeFromCRL", "privilegeWithdrawn",   "aACompromise"};
  const std::unique_ptr<ASN1_ENUMERATED, Freer<ASN1_ENUMERATED_free>> reason{
      static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr))};
  std::int64_t number = -1;
  if (!reason || ASN1_ENUMERATED_get_int64(&number, reason.get()) != 1) return {};
  return number >= 0 && number < static_cast<std::int64_t>(kReasons.size()) ? kReasons[static_cast<std::size_t>(number)] : "";
}

}  // namespace

X509CrlPtr read_crl(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN X509 CRL-----";
  X509CrlPtr crl;
  if (text.starts_with(kBegin)) {
    const BioPtr bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    if (bio) crl.reset(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
  } else {
    const auto bytes = as_bytes(text);
    const unsigned char* cursor = bytes.data();
    crl.reset(d2i_X509_CRL(nullptr, &cursor, static_cast<long>(bytes.size())));
    if (cursor != bytes.data() + bytes.size()) crl.reset();
  }
  (void)from_openssl("");
  return crl;
}

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::not_checked:
      return "not_checked";
    case Status::good:
      return "good";
    case Status::revoked:
      return "revoked";
    case Status::unavailable:
      return "unavailable";
  }
  return "unknown";
}

RevocationState check_crl(std::string_view text, const Verified& verified, WallTime now) {
  if (verified.issuer_pem.empty()) return {};
  if (text.size() > kMaxCrl) return unavailable("the revocation list is larger than 8 MiB");
  const X509CrlPtr crl = read_crl(text);
  if (!crl) return unavailable("not a revocation list (PEM or DER)");
  auto issuer = read_certificate(verified.issuer_pem);
  auto leaf = read_certificate(verified.certificate.pem);
  if (!issuer || !leaf) return unavailable("the installed chain cannot be read");
  if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(issuer->get())) != 0) {
    auto name = name_text(X509_CRL_get_issuer(crl.get()));
    return unavailable("the revocation list is of another issuer" + (name ? ": " + *name : std::string{}));
  }
  EVP_PKEY* key = X509_get0_pubkey(issuer->get());
  if (key == nullptr || !may_sign_crl(issuer->get()) || X509_CRL_verify(crl.get(), key) != 1) {
    (void)from_openssl("");
    return unavailable("the revocation list is not signed by the certificate's issuer");
  }
  if (is_partial(crl.get())) return unavailable("the revocation list is a partial one; a full list is needed");
  auto next_update = to_wall(X509_CRL_get0_nextUpdate(crl.get()));
  if (!next_update) return unavailable("the revocation list does not say when the next one comes");

  RevocationState state;
  state.status = Status::good;
  if (auto issued = to_wall(X509_CRL_get0_lastUpdate(crl.get()))) state.this_update = *issued;
  state.next_update = *next_update;
  state.stale = now > *next_update;
  X509_REVOKED* entry = nullptr;
  // The answer 2 means: listed only to say that a hold was lifted.
  if (X509_CRL_get0_by_cert(crl.get(), &entry, leaf->get()) == 1) {
    state.status = Status::revoked;
    state.reason = reason_of(entry);
    if (auto at = to_wall(X509_REVOKED_get0_revocationDate(entry))) state.revoked_at = *at;
  }
  return state;
}

}  // namespace sanad::registration
