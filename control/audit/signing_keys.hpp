#pragma once
// Who signs the log, and from which record on somebody else does.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/audit/log_reader.hpp"
#include "gateway/base/result.hpp"

namespace sanad::audit {

struct SigningTerm {
  Signer signer;
  // The last tree it signs has as many records; the last of them announces the key of the next term. Unset: not known yet.
  std::optional<std::uint64_t> end;
};

// One thread. All keys bear the log's origin as their name.
class SigningKeys {
 public:
  virtual ~SigningKeys() = default;
  [[nodiscard]] virtual const std::string& origin() const = 0;
  // The public keys whose first record is below `size`, and the first of all; ascending.
  [[nodiscard]] virtual std::vector<EpochKey> begun(std::uint64_t size) const = 0;
  // Who signs the next tree after one of `size` records. Errors: those of reading a private key.
  virtual Result<SigningTerm> term_after(std::uint64_t size) = 0;
};

// A log that never changes its key.
class OneSigningKey final : public SigningKeys {
 public:
  OneSigningKey(Signer signer, EpochKey key) : signer_(std::move(signer)), key_(std::move(key)) {}
  [[nodiscard]] const std::string& origin() const override { return signer_.name; }
  [[nodiscard]] std::vector<EpochKey> begun(std::uint64_t /*size*/) const override { return {key_}; }
  Result<SigningTerm> term_after(std::uint64_t /*size*/) override { return SigningTerm{signer_, std::nullopt}; }

 private:
  Signer signer_;
  EpochKey key_;
};

}  // namespace sanad::audit
