#include "control/audit/ed25519.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

namespace sanad::audit {
namespace {

constexpr std::size_t kMaxPem = 16 * 1024;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free>;
using ContextPtr = std::unique_ptr<EVP_MD_CTX, Free>;
using BioPtr = std::unique_ptr<BIO, Free>;

Error failed(const char* what) {
  ERR_clear_error();
  return {Errc::internal, std::string("OpenSSL couldn't ") + what};
}

KeyPtr private_key(const Secret32& seed) {
  return KeyPtr{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.reveal().data(), Secret32::kSize)};
}

Result<Secret32> seed_of(const EVP_PKEY* key) {
  std::array<std::uint8_t, Secret32::kSize> raw{};
  std::size_t size = raw.size();
  const bool read = EVP_PKEY_get_raw_private_key(key, raw.data(), &size) == 1 && size == raw.size();
  const Secret32 seed{raw};
  wipe(raw);
  if (!read) return failed("read a private key");
  return seed;
}

// Without a callback OpenSSL would ask the terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

Result<Secret32> generate_ed25519() {
  const KeyPtr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  if (!key) return failed("make an Ed25519 key");
  return seed_of(key.get());
}

Result<Ed25519Public> ed25519_public(const Secret32& seed) {
  const KeyPtr key = private_key(seed);
  Ed25519Public out{};
  std::size_t size = out.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), out.data(), &size) != 1 || size != out.size()) {
    return failed("derive a public key");
  }
  return out;
}

Result<Ed25519Signature> ed25519_sign(const Secret32& seed, std::span<const std::uint8_t> message) {
  const KeyPtr key = private_key(seed);
  const ContextPtr context{EVP_MD_CTX_new()};
  Ed25519Signature out{};
  std::size_t size = out.size();
  if (!key || !context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) != 1 || size != out.size()) {
    return failed("sign");
  }
  return out;
}

bool ed25519_verify(const Ed25519Public& key, std::span<const std::uint8_t> message, std::span<const std::uint8_t> signature) {
  if (signature.size() != std::tuple_size_v<Ed25519Signature>) return false;
  const KeyPtr public_key{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size())};
  const ContextPtr context{EVP_MD_CTX_new()};
  const bool good = public_key && context &&
                    EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
                    EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

Result<std::string> ed25519_to_pem(const Secret32& seed) {
  const KeyPtr key = private_key(seed);
  // secmem: the buffer is wiped when it is freed.
  const BioPtr bio{BIO_new(BIO_s_secmem())};
  if (!key || !bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return failed("write a private key");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

Result<Secret32> ed25519_from_pem(std::string_view pem) {
  const BioPtr bio{pem.size() > kMaxPem ? nullptr : BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  const KeyPtr key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr};
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) {
    ERR_clear_error();
    return Error{Errc::invalid_argument, "not an Ed25519 private key in PEM, or one under a passphrase"};
  }
  return seed_of(key.get());
}

}  // namespace sanad::audit
