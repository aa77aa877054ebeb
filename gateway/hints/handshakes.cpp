#include "gateway/hints/handshakes.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "gateway/base/unique_fd.hpp"
#include "gateway/hints/program.hpp"

namespace sanad::hints {
namespace {

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
using Ring = std::unique_ptr<ring_buffer, FreeRing>;

// What the kernel writes to, wherever we have it from.
struct Maps {
  UniqueFd ring;
  UniqueFd lost;
  Hook hook = Hook::fexit;
  Skeleton skeleton;  // empty: what is pinned keeps it
};

std::optional<Maps> pinned() {
  const std::string directory = pin_directory();
  Maps maps{UniqueFd(bpf_obj_get((directory + "/ring").c_str())), UniqueFd(bpf_obj_get((directory + "/lost").c_str())),
            ::access((directory + "/fexit").c_str(), F_OK) == 0 ? Hook::fexit : Hook::kprobe, nullptr};
  if (!maps.ring || !maps.lost) return std::nullopt;
  return maps;
}

UniqueFd copy_of(const bpf_map* map) { return UniqueFd(::fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0)); }

}  // namespace

std::string_view to_string(Hook hook) noexcept { return hook == Hook::fexit ? "fexit" : "kprobe"; }

class Handshakes::Source {
 public:
  explicit Source(Maps maps) : maps_(std::move(maps)), ring_(ring_buffer__new(maps_.ring.get(), take, this, nullptr)) {
    lost_ = lost();
  }

  [[nodiscard]] int fd() const { return ring_ ? ring_buffer__epoll_fd(ring_.get()) : -1; }
  [[nodiscard]] Hook hook() const { return maps_.hook; }

  Drained drain() {
    drained_ = {};
    // Stops at kMostAtOnce with our own error; what is left stays in the ring.
    ring_buffer__consume(ring_.get());
    const std::uint64_t now_lost = lost();
    drained_.lost = std::exchange(lost_, now_lost) != now_lost;
    return std::exchange(drained_, {});
  }

 private:
  static int take(void* self, void* data, std::size_t size) {
    auto& out = static_cast<Source*>(self)->drained_.handshakes;
    SanadHintRecord record{};
    if (size < sizeof record) return 0;
    std::memcpy(&record, data, sizeof record);
    Handshake& one = out.emplace_back();
    one.at.ns = static_cast<std::int64_t>(record.boot_ns);
    one.interface.assign(record.interface_name, ::strnlen(record.interface_name, sizeof record.interface_name));
    one.peer = wg::PublicKey(record.peer);
    return out.size() < kMostAtOnce ? 0 : -EAGAIN;
  }

  // How many the ring had no room for since it was made.
  [[nodiscard]] std::uint64_t lost() const {
    const std::uint32_t first = 0;
    std::uint64_t count = 0;
    return bpf_map_lookup_elem(maps_.lost.get(), &first, &count) == 0 ? count : 0;
  }

  Maps maps_;
  Ring ring_;
  Drained drained_;
  std::uint64_t lost_ = 0;
};

Handshakes::Handshakes(std::unique_ptr<Source> source) : source_(std::move(source)) {}
Handshakes::~Handshakes() = default;
Handshakes::Handshakes(Handshakes&&) noexcept = default;
Handshakes& Handshakes::operator=(Handshakes&&) noexcept = default;

Result<Handshakes> Handshakes::open() {
  auto maps = pinned();
  if (!maps) {
    auto program = attach_program();
    if (!program) return program.error();
    const auto& own = program->skeleton->maps;
    maps = Maps{copy_of(own.ring), copy_of(own.bss), program->hook, std::move(program->skeleton)};
  }
  auto source = std::make_unique<Source>(std::move(*maps));
  if (source->fd() < 0) return Error{Errc::io, "couldn't map the ring that the kernel writes handshakes to"};
  return Handshakes(std::move(source));
}

int Handshakes::fd() const { return source_->fd(); }
Hook Handshakes::hook() const { return source_->hook(); }
Drained Handshakes::drain() { return source_->drain(); }

}  // namespace sanad::hints
