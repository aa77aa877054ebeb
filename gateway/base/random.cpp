#include "gateway/base/random.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "gateway/base/secret.hpp"

namespace sanad {
namespace {

class RandomPool {
 public:
  RandomPool() = default;
  RandomPool(const RandomPool&) = delete;
  RandomPool& operator=(const RandomPool&) = delete;
  ~RandomPool() { wipe(bytes_); }

  void fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
      if (used_ == bytes_.size()) refill();
      const std::size_t n = std::min(out.size(), bytes_.size() - used_);
      const auto source = std::span(bytes_).subspan(used_, n);
      std::copy(source.begin(), source.end(), out.begin());
      wipe(source);
      used_ += n;
      out = out.subspan(n);
    }
  }

 private:
  void refill() {
    std::size_t have = 0;
    while (have < bytes_.size()) {
      const ssize_t n = getrandom(bytes_.data() + have, bytes_.size() - have, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw std::runtime_error("getrandom failed");
      have += static_cast<std::size_t>(n);
    }
    used_ = 0;
  }

  std::array<std::uint8_t, 4096> bytes_{};
  std::size_t used_ = bytes_.size();
};

}  // namespace

void fill_random(std::span<std::uint8_t> out) {
  thread_local RandomPool pool;
  pool.fill(out);
}

}  // namespace sanad
