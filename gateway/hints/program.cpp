#include "gateway/hints/program.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <utility>

#include "gateway/base/log.hpp"
#include "gateway/hints/offsets.hpp"

namespace sanad::hints {
namespace {

int to_debug_log(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[512];
  const int length = std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view said(line, std::min(static_cast<std::size_t>(std::max(length, 0)), sizeof line - 1));
  while (said.ends_with('\n')) said.remove_suffix(1);
  log::debug("{}", said);
  return 0;
}

// "none integrity [confidentiality]": the last forbids what we need.
bool locked_down() {
  std::ifstream file("/sys/kernel/security/lockdown");
  std::string levels;
  std::getline(file, levels);
  return levels.find("[confidentiality]") != std::string::npos;
}

Error refusal(int err) {
  if (locked_down())
    return {Errc::permission_denied, "the kernel is locked down (confidentiality): no program may look into it", "",
            "Boot with lockdown=integrity, if your policy allows it"};
  if (err == EPERM || err == EACCES)
    return {Errc::permission_denied, "the kernel let no program in: sanadd has not the rights to load one", "",
            "Start it by its systemd unit, which loads the program first: journalctl -u sanadd says how that went"};
  if (err == ENOENT || err == ESRCH || err == EADDRNOTAVAIL)
    return {Errc::unsupported, "this kernel's wireguard module has no wg_timers_handshake_complete to follow"};
  Error error = from_errno(err, "the kernel did not take the program that follows handshakes");
  error.code = Errc::unsupported;
  return error;
}

std::uint32_t network_namespace() {
  struct stat here {};
  return ::stat("/proc/self/ns/net", &here) == 0 ? static_cast<std::uint32_t>(here.st_ino) : 0;
}

Result<Program> attach(Hook hook, const SanadWgOffsets& offsets) {
  Skeleton skeleton(handshakes__open());
  if (!skeleton) return refusal(errno);
  skeleton->rodata->offsets = offsets;
  skeleton->rodata->network_namespace = network_namespace();
  bpf_program__set_autoload(skeleton->progs.after_handshake, hook == Hook::fexit);
  bpf_program__set_autoload(skeleton->progs.at_handshake, hook == Hook::kprobe);
  if (const int failed = handshakes__load(skeleton.get()); failed != 0) return refusal(-failed);
  if (const int failed = handshakes__attach(skeleton.get()); failed != 0) return refusal(-failed);
  return Program{std::move(skeleton), hook};
}

}  // namespace

Result<Program> attach_program() {
  libbpf_set_print(to_debug_log);
  const auto offsets = find_offsets();
  if (!offsets) return offsets.error();
  auto program = attach(Hook::fexit, *offsets);
  if (program) return program;
  return attach(Hook::kprobe, *offsets);
}

std::string pin_directory() {
  return "/sys/fs/bpf/sanad-" + std::to_string(SANAD_HINT_VERSION) + "-" + std::to_string(network_namespace());
}

}  // namespace sanad::hints
