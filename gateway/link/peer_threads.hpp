#pragma once
// Newer kernels (threaded NAPI on by default) run one thread per peer: 20,000 peers are 20,000 threads, and at 32,641 the default
// pid_max was used up, so that nobody on the host could start anything (Linux 7.3.4).

#include <string>

#include "gateway/base/result.hpp"

namespace sanad::link {

// Whether the interface runs them, or would with its first peer. False where the kernel knows no such thing.
bool has_peer_threads(const std::string& name);

// Peers that come later get none; those of peers that are there end with newer kernels (6.17), and stay idle with older ones. The
// kernel can only do so while there is at least one peer: unavailable without. Errors: also permission_denied, io.
Result<void> stop_peer_threads(const std::string& name);

}  // namespace sanad::link
