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

  // The next line without its newline, taken off `chunk`; valid until the next call. False when `chunk` is used up, or when a
  // line is longer than kMaxLine: then too_long(), for good.
  bool next(std::string_view& chunk, std::string_view& line);
  [[nodiscard]] bool too_long() const { return too_long_; }
  static Error error();  // what is to be said of a line too long

 private:
  std::string kept_;
  bool taken_ = false;  // kept_ has been handed out as a line and is wiped at the next call
  bool too_long_ = false;
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
  // `room`: for so many peers at once; more are taken as well.
  explicit GetAnswerParser(const AnswerLimits& limits = {}, std::size_t room = 0) : limits_(limits) {
    device_.peers.reserve(room);
  }
  // True when the answer is complete. Errors: corrupt (final: feed nothing more), or the backend's own.
  Result<bool> feed(std::string_view chunk);
  // What has been read of the device so far, and the peers since the last take_settled().
  [[nodiscard]] const Device& device() const { return device_; }
  // Takes out the peers that nothing can be added to: all but the one being read. `room`: for those to come.
  std::vector<Peer> take_settled(std::size_t room);
  // The device, without name and ifindex, once feed() said true, with the peers that have not been taken out. Errors: unavailable
  // (the answer stopped halfway), corrupt (one peer twice).
  Result<Device> finish() &&;

 private:
  enum class State : std::uint8_t { device, peer, errno_read, complete };

  // False: error_ says why. A Result for each of a million lines would cost more than reading it.
  bool take_line(std::string_view line);
  bool take_device_line(std::string_view key, std::string_view value);
  bool take_peer_line(std::string_view key, std::string_view value);
  bool take_unknown(std::string_view key);
  bool begin_peer(std::string_view value);
  void skip_idle(std::string_view& chunk);
  bool once(unsigned field, std::string_view key);
  bool fail(Error error);
  void close_peer();

  AnswerLimits limits_;
  LineCutter lines_;
  Device device_;
  State state_ = State::device;
  std::uint32_t seen_ = 0;  // a bit for each key of the current record
  std::size_t unknown_ = 0;
  std::size_t allowed_ips_ = 0;
  std::size_t bytes_ = 0;
  std::size_t taken_ = 0;  // peers that have been taken out
  std::int64_t code_ = 0;
  std::optional<Error> error_;
};

}  // namespace sanad::wg::uapi
