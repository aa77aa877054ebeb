#pragma once
// The listening Unix socket, in a directory nobody else can write to.

#include <sys/types.h>

#include <optional>
#include <string>

#include "gateway/base/result.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::api {

struct ListenSettings {
  std::string path = "/run/sanad/admin.sock";
  std::optional<gid_t> group;  // who may connect beside the owner; unset: the daemon's own group
  mode_t mode = 0660;
};

struct Listener {
  UniqueFd socket;
  UniqueFd lock;  // "<path>.lock", held as long as we live: two daemons that start together cannot both win
  std::string path;
};

// Makes the directory when it is missing (0750, or 0755 when a group is given, so that its members can reach the socket),
// checks that no directory above can be changed by others, removes the socket of a process that is gone and puts owner and mode
// right before the first connection is possible. Errors: conflict ("another sanadd is running"), permission_denied (a directory
// that others can write to, or one we cannot put right), invalid_argument (the path), io.
Result<Listener> listen_unix(const ListenSettings& settings);

// Removes the socket's name. Call at the end, before the lock goes.
void unlink_socket(const Listener& listener);

}  // namespace sanad::api
