#pragma once
// A QR code drawn with half blocks, two rows of modules to a line of text. Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.hpp"

namespace sanad::cli {

inline constexpr std::size_t kQrQuietZone = 4;    // modules on each side (ISO/IEC 18004)
inline constexpr std::size_t kQrMaxBytes = 2953;  // version 40, level L, byte mode (ISO/IEC 18004, table 7)

struct QrCode {
  std::size_t size = 0;    // modules a side, without the quiet zone
  std::vector<bool> dark;  // row by row
  [[nodiscard]] std::size_t columns() const { return size + 2 * kQrQuietZone; }
};

// The smallest code that holds `text`, correction level L. exhausted above kQrMaxBytes.
Result<QrCode> make_qr(std::string_view text);

// Light modules are the blocks, which reads right on a dark terminal; with `colours` it is black on white on any.
std::string draw_qr(const QrCode& code, bool colours);

// `profile` without its comment lines: what an app needs of it, as small as it can be.
std::string without_comments(std::string_view profile);

}  // namespace sanad::cli
