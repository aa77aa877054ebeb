#include "control/registration/envelope.hpp"

#include <openssl/cms.h>

#include "control/registration/openssl.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::registration {
namespace {

using CmsPtr = std::unique_ptr<CMS_ContentInfo, Freer<CMS_ContentInfo_free>>;

constexpr int kRounds = 600'000;

Result<Bytes> finish(CMS_ContentInfo* envelope, std::string_view content) {
  const BioPtr in{BIO_new_mem_buf(content.data(), static_cast<int>(content.size()))};
  const BioPtr out{BIO_new(BIO_s_mem())};
  // Inside the envelope, not beside it.
  if (!in || !out || CMS_set_detached(envelope, 0) != 1 || CMS_final(envelope, in.get(), nullptr, CMS_BINARY) != 1 ||
      i2d_CMS_bio(out.get(), envelope) != 1) {
    return from_openssl("couldn't encrypt");
  }
  const std::string der = drain(out.get());
  return Bytes{der.begin(), der.end()};
}

}  // namespace

Result<Bytes> seal_with_passphrase(std::string_view content, std::string_view passphrase) {
  if (passphrase.size() < kLeastPassphrase || passphrase.size() > kMostPassphrase)
    return Error{Errc::invalid_argument, "12 to 1024 bytes are needed", "passphrase"};
  const CmsPtr envelope{CMS_AuthEnvelopedData_create(EVP_aes_256_gcm())};
  auto* pass = static_cast<unsigned char*>(OPENSSL_memdup(passphrase.data(), passphrase.size()));
  if (!envelope || pass == nullptr ||
      CMS_add0_recipient_password(envelope.get(), kRounds, NID_id_alg_PWRI_KEK, -1, pass,
                                  static_cast<ossl_ssize_t>(passphrase.size()), EVP_aes_256_cbc()) == nullptr) {
    OPENSSL_clear_free(pass, passphrase.size());
    return from_openssl("couldn't encrypt with the passphrase");
  }
  return finish(envelope.get(), content);
}

Result<Bytes> seal_for_recipient(std::string_view content, std::string_view certificate_pem) {
  auto certificate = read_certificate(certificate_pem);
  if (!certificate) return certificate.error();
  EVP_PKEY* key = X509_get0_pubkey(certificate->get());
  const int type = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);
  if (type != EVP_PKEY_RSA && type != EVP_PKEY_EC) {
    (void)from_openssl("");
    return Error{Errc::invalid_argument, "the recipient's key cannot decrypt: RSA or elliptic curve (P-256) is needed",
                 "recipient"};
  }
  if (auto weakness = weakness_of_key(key))
    return Error{Errc::invalid_argument, "the recipient's key is weak: " + *weakness, "recipient"};
  const CmsPtr envelope{CMS_AuthEnvelopedData_create(EVP_aes_256_gcm())};
  if (!envelope || CMS_add1_recipient_cert(envelope.get(), certificate->get(), 0) == nullptr)
    return from_openssl("couldn't encrypt for the recipient");
  return finish(envelope.get(), content);
}

}  // namespace sanad::registration
