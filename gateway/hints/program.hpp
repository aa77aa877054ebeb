#pragma once
// The program in the kernel: found a place, loaded, attached. Includes what bpftool made: for this room's sources only.

#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "gateway/base/result.hpp"
#include "gateway/hints/handshakes.hpp"
#include "gateway/hints/record.h"
// Made by bpftool from handshakes.bpf.c.
#include <handshakes.skel.h>

namespace sanad::hints {

struct DestroySkeleton {
  void operator()(handshakes* skeleton) const { handshakes__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<handshakes, DestroySkeleton>;

struct Program {
  Skeleton skeleton;  // as long as it lives, or what it holds is pinned, the kernel calls it
  Hook hook = Hook::fexit;
};

// Errors: as Handshakes::open().
Result<Program> attach_program();

// Where what is pinned for this process's network namespace lies.
std::string pin_directory();

}  // namespace sanad::hints
