#pragma once
// The text protocol of userspace WireGuard, reading side. Pure: bytes in, values out, whatever the backend sends.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/result.hpp"
#include "gateway/wg/types.hpp"

namespace sanad::wg::uapi {

// Above wireguard-go's own: bufio.Scanner gives up at 64 KiB a line.
inline constexpr std::size_t kMaxLine = std::size_t{64} * 1024;
inline constexpr std::size_t kMaxUnknownKeys = 64;  // for each peer, and for the device

// What one answer may make us hold in memory.
struct AnswerLimits {
  std::size_t bytes = std::size_t{512} * 1024 * 1024;
  std::size_t peers = std::size_t{1} << 20U;        // the kernel's limit; wireguard-go's is 2^16
  std::size_t allowed_ips = std::size_t{1} << 22U;  // in the whole device
};

// Cuts a stream into lines. A line that lies inside one chunk is not copied; the rest of a chunk is kept in one buffer of
// kMaxLine bytes that never moves and is wiped, since lines hold keys.
class LineCutter final {
 public:
  LineCutter();
  ~LineCutter();
  LineCutter(const LineCutter&) = delete;
  LineCutter& operator=(const LineCutter&) = delete;

  // The next line without its newline, taken off `chunk`; nullopt when `chunk` is used up. Valid until the next call.
  // Error: corrupt (a line longer than kMaxLine).
  Result<std::optional<std::string_view>> next(std::string_view& chunk);

 private:
  std::string kept_;
  bool taken_ = false;  // kept_ has been handed out as a line and is wiped at the next call
};

// The answer to `set=1`: "errno=N" and a blank line, nothing else.
class SetAnswerParser final {
 public:
  // True when the answer is complete. Errors: corrupt; or the backend's own (error_of_answer).
  Result<bool> feed(std::string_view chunk);

 private:
  LineCutter lines_;
  std::optional<std::int64_t> code_;
};

// The answer to `get=1`, fed in chunks of any size. Strict where a mistake would become a wrong record (numbers out of range,
// keys twice, peers twice, lines out of order: corrupt) and lenient where the protocol may grow (unknown keys are skipped, up
// to kMaxUnknownKeys a record). Nothing a remote peer controls can make the answer unreadable: any endpoint is taken.
class GetAnswerParser final {
 public:
  explicit GetAnswerParser(const AnswerLimits& limits = {}) : limits_(limits) {}
  // True when the answer is complete. Errors: corrupt (final: feed nothing more), or the backend's own.
  Result<bool> feed(std::string_view chunk);
  // The device, without name and ifindex, once feed() said true. Errors: unavailable (the answer stopped halfway),
  // corrupt (one peer twice).
  Result<Device> finish() &&;

 private:
  enum class State : std::uint8_t { device, peer, errno_read, complete };

  Result<void> take_line(std::string_view line);
  Result<void> take_device_line(std::string_view key, std::string_view value);
  Result<void> take_peer_line(std::string_view key, std::string_view value);
  Result<void> take_unknown(std::string_view key);
  Result<void> begin_peer(std::string_view value);
  Result<void> once(unsigned field, std::string_view key);
  void close_peer();

  AnswerLimits limits_;
  LineCutter lines_;
  Device device_;
  State state_ = State::device;
  std::uint32_t seen_ = 0;  // a bit for each key of the current record
  std::size_t unknown_ = 0;
  std::size_t allowed_ips_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t code_ = 0;
};

}  // namespace sanad::wg::uapi
