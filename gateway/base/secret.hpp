#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sanad {

// Memory that the compiler may not skip wiping (explicit_bzero).
void wipe(std::span<std::uint8_t> bytes) noexcept;

// 32 secret bytes (a private key, a pre-shared key). Wiped on destruction, compared in constant time,
// and deliberately without an ostream or fmt form: what needs the bytes asks for them by name.
class Secret32 {
 public:
  static constexpr std::size_t kSize = 32;
  Secret32() = default;
  explicit Secret32(std::span<const std::uint8_t, kSize> bytes) noexcept { assign(bytes); }
  // Instead of a temporary, which would be wiped again: readings take a million of them.
  void assign(std::span<const std::uint8_t, kSize> bytes) noexcept { std::copy(bytes.begin(), bytes.end(), bytes_.begin()); }
  Secret32(const Secret32&) = default;
  Secret32& operator=(const Secret32&) = default;
  ~Secret32() { wipe(bytes_); }

  [[nodiscard]] std::span<const std::uint8_t, kSize> reveal() const noexcept { return bytes_; }
  [[nodiscard]] bool is_zero() const noexcept;
  bool operator==(const Secret32& other) const noexcept;  // constant time

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

}  // namespace sanad
