#include "gateway/base/sha256.hpp"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

namespace sanad {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeDigest {
  void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
};

}  // namespace

Sha256 sha256(std::span<const std::uint8_t> bytes) {
  // Fetched once and a context kept by each thread: looking the algorithm up costs as much as hashing a short text.
  static const std::unique_ptr<EVP_MD, FreeDigest> kAlgorithm(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  Sha256 out{};
  if (EVP_DigestInit_ex2(context.get(), kAlgorithm.get(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), out.data(), nullptr) != 1)
    throw std::runtime_error("OpenSSL cannot compute SHA-256");
  return out;
}

}  // namespace sanad
