#pragma once
// Registration certificates (X.509 v3, see README.md) as values: read, and made. No file is touched here, no thread shared:
// every function may be called from any thread. Reading accepts any well-formed certificate of the profile; whether to
// believe it is verify.hpp's question.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/registration/claims.hpp"
#include "gateway/base/clock.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/sha256.hpp"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY, in the files that include it

namespace sanad::registration {

inline constexpr std::size_t kMaxCertificateDer = 16 * 1024;   // bytes of one certificate
inline constexpr std::size_t kMaxChain = 5;                    // certificates, the leaf first
inline constexpr std::size_t kMaxPem = kMaxChain * 24 * 1024;  // bytes of PEM text that are looked at

// What any certificate says of itself, an issuer's included.
struct CertificateSummary {
  std::string subject;  // RFC 2253 order reversed to reading order: "C=PK, O=Example Software (Pvt) Ltd"
  std::string issuer;
  std::string name;    // the short name for sentences: O of the subject, else CN
  std::string serial;  // hex, lower case, no leading zeros
  WallTime not_before;
  WallTime not_after;
  Sha256 fingerprint{};  // SHA-256 of the DER
  std::string pem;       // one certificate, as OpenSSL writes it
};

struct Certificate : CertificateSummary {
  RegistrationClaims claims;
};

// A private key, PKCS#8 PEM, wiped when it goes. What writes it to a file uses mode 0600 (write_file_durably).
class PrivateKeyPem {
 public:
  PrivateKeyPem() = default;
  explicit PrivateKeyPem(std::string pem);
  PrivateKeyPem(PrivateKeyPem&& other) noexcept;
  PrivateKeyPem& operator=(PrivateKeyPem&& other) noexcept;
  PrivateKeyPem(const PrivateKeyPem&) = delete;
  PrivateKeyPem& operator=(const PrivateKeyPem&) = delete;
  ~PrivateKeyPem();
  [[nodiscard]] const std::string& reveal() const { return pem_; }
  // OpenSSL's form of it; null when it is none that OpenSSL reads. Decoded once: OpenSSL 3 takes half a millisecond for it.
  [[nodiscard]] const std::shared_ptr<evp_pkey_st>& decoded() const { return decoded_; }

 private:
  std::string pem_;
  std::shared_ptr<evp_pkey_st> decoded_;  // shared: OpenSSL counts its references itself, and this is one of them
};

enum class KeyAlgorithm { ed25519, ecdsa_p256 };

struct Validity {
  WallTime not_before;  // both cut to the whole second
  WallTime not_after;
};

// "AA:BB:..": the form `openssl x509 -fingerprint -sha256` prints.
std::string fingerprint_text(const Sha256& fingerprint);

// Exactly one certificate of the registration profile: PEM, nothing but white space around it. invalid_argument in plain
// words: not PEM, more than one, over the limits, DER with trailing bytes, the extension missing, repeated or malformed
// (`field` names the claim).
Result<Certificate> parse_certificate(std::string_view pem);

// The same for any certificate (an anchor, an issuer), without looking for claims.
Result<CertificateSummary> parse_summary(std::string_view pem);

// PEM certificates one after another, leaf first, 1..kMaxChain of them, each well formed; the result holds one PEM each.
// The bundle is refused before the sixth is parsed.
Result<std::vector<std::string>> split_chain(std::string_view pem);

Result<PrivateKeyPem> generate_key(KeyAlgorithm algorithm);
// SubjectPublicKeyInfo, PEM: what an issuer needs of the subject's key.
Result<std::string> public_key_of(const PrivateKeyPem& key);
// invalid_argument when the certificate is for another key: asked before a key and a certificate are installed together.
Result<void> check_key_matches(std::string_view certificate_pem, const PrivateKeyPem& key);

// An issuing certificate and its key. References: valid only as long as what they name.
struct Issuer {
  std::string_view certificate_pem;
  const PrivateKeyPem& key;
};

// All three return one certificate, PEM. Errors: invalid_argument (claims, `field` set; validity that ends before it
// begins; a key that is not the issuer's; an issuer that is no CA), internal (OpenSSL would not).
// A self-declared certificate: CA:FALSE, signed by the very key it is for; it is its own anchor.
Result<std::string> issue_self(const RegistrationClaims& claims, const PrivateKeyPem& key, Validity validity);
// A certificate for the gateway whose public key is `subject_public_key` (PEM), confirmed by `issuer`.
Result<std::string> issue_by(Issuer issuer, const RegistrationClaims& claims, std::string_view subject_public_key,
                             Validity validity);
// A company's or association's root. `path_length`: how many issuing certificates may stand between it and a gateway's.
Result<std::string> make_root(std::string_view name, std::string_view country, const PrivateKeyPem& key, Validity validity,
                              int path_length = 1);
// An issuing certificate below `issuer`, so that the root's key can stay offline.
Result<std::string> make_intermediate(Issuer issuer, std::string_view name, std::string_view country,
                                      std::string_view subject_public_key, Validity validity, int path_length = 0);

}  // namespace sanad::registration
