#pragma once
// Starts, finds and stops wireguard-go. Blocking: device worker thread only.

#include <chrono>
#include <filesystem>
#include <string>

#include "gateway/base/result.hpp"
#include "gateway/wg/userspace/connection.hpp"
#include "gateway/wg/userspace/process_handle.hpp"

namespace sanad::wg {

struct BackendOptions {
  std::filesystem::path program{};  // empty: wireguard-go from the system's usual directories
  std::filesystem::path socket_directory = kUapiDirectory;
  std::chrono::milliseconds start_limit{10'000};
  std::chrono::milliseconds stop_limit{10'000};
};

// Runs `wireguard-go -f NAME` in a session of its own, no child of ours, without our descriptors, environment or terminal: it
// outlives this program, and nobody here has to collect its status. (A unit that runs us needs KillMode=process.)
// Returns once the UAPI socket accepts and the listener is the process just started. A socket file that a dead
// process left is removed first.
// Errors: unsupported (no wireguard-go, no /dev/net/tun; hint says what to install or load), conflict (interface or socket in
// use already), permission_denied, unavailable (it ended at once), timeout (it was stopped again).
Result<ProcessHandle> start_backend(const std::string& interface_name, const BackendOptions& options = {});

// The process that serves the interface now, whoever started it.
// Errors: not_found (no socket, or its owner can't be seen), unavailable (the socket is a leftover).
Result<ProcessHandle> adopt_backend(const std::string& interface_name, const BackendOptions& options = {});

// SIGTERM, then waits until it has ended; the interface goes with it. Already ended: success. Error: timeout.
Result<void> stop_backend(const ProcessHandle& handle, const BackendOptions& options = {});

}  // namespace sanad::wg
