#pragma once
// Handshakes as the kernel completes them, by a program in the kernel (handshakes.bpf.c). They are hints: when to read a device,
// never what is in it.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/base/result.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::hints {

struct Handshake {
  BootTime at;
  std::string interface;
  wg::PublicKey peer;
};

struct Drained {
  std::vector<Handshake> handshakes;  // in order
  bool lost = false;                  // there were more than the ring had room for: look at every interface
};

// How the kernel calls the program: see handshakes.bpf.c.
enum class Hook { fexit, kprobe };
std::string_view to_string(Hook hook) noexcept;  // "fexit", "kprobe"

class Handshakes final {
 public:
  // Of the interfaces of this process's network namespace. Takes up what pins.hpp left for us, for which no rights are needed;
  // else loads and attaches the program, which takes some 50 ms and, for Hook::fexit, CAP_SYS_ADMIN. Until it is destroyed, the
  // wireguard module cannot be unloaded. Blocking.
  // Errors: unsupported (no WireGuard, no type information, no such function), permission_denied (rights, lockdown), io.
  static Result<Handshakes> open();

  ~Handshakes();
  Handshakes(Handshakes&&) noexcept;
  Handshakes& operator=(Handshakes&&) noexcept;

  // Readable when drain() has something to say. Owned by this object.
  [[nodiscard]] int fd() const;
  [[nodiscard]] Hook hook() const;

  // What has happened since the last call, at most kMostAtOnce; fd() stays readable while there is more. Never blocks.
  static constexpr std::size_t kMostAtOnce = 4096;
  Drained drain();

 private:
  class Source;
  explicit Handshakes(std::unique_ptr<Source> source);
  std::unique_ptr<Source> source_;
};

}  // namespace sanad::hints
