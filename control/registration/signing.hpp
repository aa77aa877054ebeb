#pragma once
// Signing in two steps, for an issuer whose key is kept away from the network. What is prepared is a whole certificate or list
// under the signature of a key that is thrown away at once: any X.509 tool shows what it says, and nobody can take it for signed.
// Signing replaces that signature. Pure.

#include <string>
#include <string_view>

#include "control/registration/certificate.hpp"
#include "control/registration/revocation_list.hpp"

namespace sanad::registration {

// PEM. Errors as issue_by's.
Result<std::string> prepare_certificate(std::string_view issuer_pem, const RegistrationClaims& claims,
                                        std::string_view subject_public_key, Validity validity);
Result<std::string> prepare_revocation_list(std::string_view issuer_pem, const RevocationListDraft& draft);

// PEM, signed. invalid_argument: not what the two above write, prepared for another issuer, an issuing certificate.
Result<std::string> sign_prepared_certificate(Issuer issuer, std::string_view prepared);
Result<std::string> sign_prepared_revocation_list(Issuer issuer, std::string_view prepared);

// Whether `signed_pem` is `prepared` under the issuer's signature, with nothing else changed. invalid_argument says what differs.
Result<void> check_signed_certificate(std::string_view issuer_pem, std::string_view prepared, std::string_view signed_pem);

// Whether a revocation list is this issuer's and signed by it. refused_by_policy.
Result<void> check_revocation_list_signature(std::string_view list, std::string_view issuer_pem);

}  // namespace sanad::registration
