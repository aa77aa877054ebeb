#include <openssl/pem.h>

#include <utility>

#include "control/registration/openssl.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::registration {
namespace {

constexpr std::size_t kMaxKeyPem = 16 * 1024;

// Without a callback OpenSSL would ask the terminal.
int no_password(char*, int, int, void*) { return -1; }

void wipe_text(std::string& text) {
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  text.clear();
}

}  // namespace

PrivateKeyPem::PrivateKeyPem(std::string pem) : pem_(std::move(pem)) {
  const BioPtr bio{pem_.size() > kMaxKeyPem ? nullptr : BIO_new_mem_buf(pem_.data(), static_cast<int>(pem_.size()))};
  if (!bio) return;
  decoded_.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr), [](EVP_PKEY* key) { EVP_PKEY_free(key); });
  if (!decoded_) (void)from_openssl("");  // empties OpenSSL's error queue
}

PrivateKeyPem::PrivateKeyPem(PrivateKeyPem&& other) noexcept : pem_(std::move(other.pem_)), decoded_(std::move(other.decoded_)) {
  wipe_text(other.pem_);
}

PrivateKeyPem& PrivateKeyPem::operator=(PrivateKeyPem&& other) noexcept {
  if (this != &other) {
    wipe_text(pem_);
    pem_ = std::move(other.pem_);
    decoded_ = std::move(other.decoded_);
    wipe_text(other.pem_);
  }
  return *this;
}

PrivateKeyPem::~PrivateKeyPem() { wipe_text(pem_); }

Result<KeyPtr> read_private_key(const PrivateKeyPem& key) {
  if (!key.decoded() || EVP_PKEY_up_ref(key.decoded().get()) != 1)
    return Error{Errc::invalid_argument, "not a private key in PEM, or one under a passphrase", "key"};
  return KeyPtr{key.decoded().get()};
}

KeyPtr throwaway_key() { return KeyPtr{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")}; }

Result<PrivateKeyPem> generate_key(KeyAlgorithm algorithm) {
  const KeyPtr key{algorithm == KeyAlgorithm::ed25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                                      : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
  // secmem: the buffer is wiped when it is freed.
  const BioPtr bio{BIO_new(BIO_s_secmem())};
  if (!key || !bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return from_openssl("couldn't make a key");
  }
  return PrivateKeyPem{drain(bio.get())};
}

Result<std::string> public_key_of(const PrivateKeyPem& key) {
  auto private_key = read_private_key(key);
  if (!private_key) return private_key.error();
  const BioPtr bio{BIO_new(BIO_s_mem())};
  if (!bio || PEM_write_bio_PUBKEY(bio.get(), private_key->get()) != 1) return from_openssl("couldn't write the public key");
  return drain(bio.get());
}

Result<void> check_key_matches(std::string_view certificate_pem, const PrivateKeyPem& key) {
  auto certificate = read_certificate(certificate_pem);
  if (!certificate) return certificate.error();
  auto private_key = read_private_key(key);
  if (!private_key) return private_key.error();
  if (X509_check_private_key(certificate->get(), private_key->get()) == 1) return {};
  (void)from_openssl("");
  return Error{Errc::invalid_argument, "the certificate is for another key than the one given", "key"};
}

}  // namespace sanad::registration
