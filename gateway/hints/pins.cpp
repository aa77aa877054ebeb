#include "gateway/hints/pins.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "gateway/hints/program.hpp"

namespace sanad::hints {

Result<Hook> pin() {
  if (auto gone = unpin(); !gone) return gone.error();
  auto program = attach_program();
  if (!program) return program.error();
  const std::string directory = pin_directory();
  if (::mkdir(directory.c_str(), 0700) != 0) return from_errno(errno, "couldn't make " + directory);
  auto& skeleton = *program->skeleton;
  const bool fexit = program->hook == Hook::fexit;
  bpf_link* const link = fexit ? skeleton.links.after_handshake : skeleton.links.at_handshake;
  int failed = bpf_map__pin(skeleton.maps.ring, (directory + "/ring").c_str());
  if (failed == 0) failed = bpf_map__pin(skeleton.maps.bss, (directory + "/lost").c_str());
  if (failed == 0) failed = bpf_link__pin(link, (directory + (fexit ? "/fexit" : "/kprobe")).c_str());
  if (failed != 0) return from_errno(-failed, "couldn't leave the program in " + directory);
  return program->hook;
}

Result<void> unpin() {
  std::error_code failed;
  std::filesystem::remove_all(pin_directory(), failed);
  if (failed) return Error{Errc::io, "couldn't take " + pin_directory() + " away: " + failed.message()};
  return {};
}

}  // namespace sanad::hints
