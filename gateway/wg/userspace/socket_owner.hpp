#pragma once
// Which process answers on a UAPI socket.

#include <filesystem>

#include "gateway/base/result.hpp"
#include "gateway/wg/userspace/process_handle.hpp"

namespace sanad::wg {

// The process that listens at `path`, to which `connected_fd` is connected. SO_PEERCRED names who called listen(); a
// wireguard-go that put itself into the background did that in a parent that has ended since, and its number may belong to
// anybody by now. So the answer is checked against who holds the listening socket, and searched for when it doesn't fit.
// Error: not_found (no process of this PID namespace that we may look into holds it).
Result<ProcessHandle> find_socket_owner(int connected_fd, const std::filesystem::path& path);

// SO_PEERCRED alone: cheap, enough to see that the listener is still the same one.
Result<pid_t> peer_pid(int connected_fd);

}  // namespace sanad::wg
