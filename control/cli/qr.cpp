#include "control/cli/qr.hpp"

#include <fmt/format.h>
#include <qrencode.h>

#include <memory>

namespace sanad::cli {

Result<QrCode> make_qr(std::string_view text) {
  if (text.empty() || text.size() > kQrMaxBytes) {
    return Error{Errc::exhausted, fmt::format("{} bytes do not fit into a QR code (at most {})", text.size(), kQrMaxBytes)};
  }
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeData(static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_L),
      &QRcode_free);
  if (!code) return from_errno(errno, "couldn't make the QR code");
  QrCode qr;
  qr.size = static_cast<std::size_t>(code->width);
  qr.dark.reserve(qr.size * qr.size);
  for (std::size_t i = 0; i < qr.size * qr.size; ++i) qr.dark.push_back((code->data[i] & 1U) != 0);
  return qr;
}

std::string draw_qr(const QrCode& code, bool colours) {
  const auto light = [&code](std::size_t row, std::size_t column) {
    if (row < kQrQuietZone || column < kQrQuietZone) return true;
    row -= kQrQuietZone, column -= kQrQuietZone;
    return row >= code.size || column >= code.size || !code.dark[row * code.size + column];
  };
  std::string out;
  for (std::size_t row = 0; row < code.columns(); row += 2) {
    if (colours) out += "\x1b[38;5;231;48;5;16m";
    for (std::size_t column = 0; column < code.columns(); ++column) {
      const bool upper = light(row, column);
      const bool lower = row + 1 < code.columns() && light(row + 1, column);
      out += upper ? (lower ? "█" : "▀") : (lower ? "▄" : " ");
    }
    out += colours ? "\x1b[0m\n" : "\n";
  }
  return out;
}

std::string without_comments(std::string_view profile) {
  std::string out;
  while (!profile.empty()) {
    const std::string_view line = profile.substr(0, profile.find('\n'));
    profile.remove_prefix(std::min(profile.size(), line.size() + 1));
    if (line.empty() || line.front() == '#') continue;
    out += std::string(line) + "\n";
  }
  return out;
}

}  // namespace sanad::cli
