#include "control/registration/signing.hpp"

#include "control/registration/openssl.hpp"
#include "control/registration/request.hpp"
#include "control/registration/verify.hpp"

namespace sanad::registration {

Result<std::string> sign_prepared_certificate(Issuer issuer, std::string_view prepared) {
  auto open = open_issuer(issuer);
  if (!open) return open.error();
  auto certificate = read_certificate(prepared);
  if (!certificate) return certificate.error();
  // A key that signs whatever it is shown would make an issuing certificate of it sooner or later.
  if (auto claims = read_claims(certificate->get()); !claims) return claims.error();
  if (X509_check_ca(certificate->get()) != 0)
    return Error{Errc::invalid_argument, "an issuing certificate is not signed here, only gateways' are", "file"};
  if (X509_NAME_cmp(X509_get_issuer_name(certificate->get()), X509_get_subject_name(open->certificate.get())) != 0)
    return Error{Errc::invalid_argument, "the certificate was prepared for another issuer's key", "file"};
  if (X509_sign(certificate->get(), open->key.get(), digest_for(open->key.get())) == 0)
    return from_openssl("couldn't sign the certificate");
  return certificate_to_pem(certificate->get());
}

Result<void> check_signed_certificate(std::string_view issuer_pem, std::string_view prepared, std::string_view signed_pem) {
  const auto differs = [](std::string what) {
    return Error{Errc::invalid_argument, "the signed certificate is not the one that was prepared: " + std::move(what), "file"};
  };
  auto before = parse_certificate(prepared);
  if (!before) return before.error();
  auto verified = verify(signed_pem, {{std::string{issuer_pem}, Level::company, {}}});
  if (!verified) return verified.error();
  const Certificate& after = verified->certificate;
  if (after.serial != before->serial) return differs("another serial number");
  if (after.claims != before->claims) return differs("it says something else");
  if (after.not_before != before->not_before || after.not_after != before->not_after) return differs("other dates");
  auto key_before = key_fingerprint_of(prepared);
  auto key_after = key_fingerprint_of(signed_pem);
  if (!key_before) return key_before.error();
  if (!key_after) return key_after.error();
  if (*key_before != *key_after) return differs("another key");
  return {};
}

}  // namespace sanad::registration
