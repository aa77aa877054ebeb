#include "control/registration/signature.hpp"

#include "control/registration/openssl.hpp"

namespace sanad::registration {

Result<Bytes> sign_text(std::string_view text, const PrivateKeyPem& key) {
  auto private_key = read_private_key(key);
  if (!private_key) return private_key.error();
  return sign_bytes(private_key->get(), text);
}

Result<void> check_text_signature(std::string_view certificate_pem, std::string_view text,
                                  std::span<const std::uint8_t> signature) {
  auto certificate = read_certificate(certificate_pem);
  if (!certificate) return certificate.error();
  EVP_PKEY* const key = X509_get0_pubkey(certificate->get());
  if (key != nullptr && verifies_bytes(key, text, Bytes(signature.begin(), signature.end()))) return {};
  return Error{Errc::refused_by_policy, "it is not signed by the certificate's key"};
}

}  // namespace sanad::registration
