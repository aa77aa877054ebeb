#pragma once
// The program, attached once by somebody with all rights and left in the BPF file system, so that the daemon needs none. The
// systemd unit does so before it starts sanadd, and takes it away after.

#include "gateway/base/result.hpp"
#include "gateway/hints/handshakes.hpp"

namespace sanad::hints {

// In place of what is there of an earlier time. Errors: as Handshakes::open().
Result<Hook> pin();

// Nothing is followed any more once nobody holds what was pinned. Nothing pinned: nothing to do.
Result<void> unpin();

}  // namespace sanad::hints
