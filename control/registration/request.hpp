#pragma once
// The application for a registration certificate: a PKCS#10 request (RFC 2986) that carries the claims in the same subject, names
// and extension as the certificate would. Pure.

#include <string>
#include <string_view>

#include "control/registration/certificate.hpp"

namespace sanad::registration {

inline constexpr std::size_t kMaxRequest = 24 * 1024;  // bytes of PEM

struct CertificateRequest {
  RegistrationClaims claims;  // what the applicant says; nobody has confirmed any of it
  std::string public_key;     // SubjectPublicKeyInfo, PEM: of the key that signed the request
  Sha256 key_fingerprint{};   // SHA-256 of the SubjectPublicKeyInfo's DER
};

// PEM. invalid_argument (claims, `field` set; a key that is none).
Result<std::string> make_request(const RegistrationClaims& claims, const PrivateKeyPem& key);

// Exactly one request, signed by the very key it is for. invalid_argument in plain words: not PEM, too long, damaged, its
// signature does not fit (whoever sent it does not hold the key), a weak key, claims missing or malformed (`field` names the
// claim).
Result<CertificateRequest> parse_request(std::string_view pem);

// SHA-256 of the key a certificate is for, as key_fingerprint above.
Result<Sha256> key_fingerprint_of(std::string_view certificate_pem);

}  // namespace sanad::registration
