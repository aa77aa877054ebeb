#pragma once
// Who is at the other end of the admin socket, as the kernel recorded it when the connection was made.

#include <sys/types.h>

#include <string>
#include <vector>

#include "gateway/base/result.hpp"

namespace sanad::access {

struct Group {
  gid_t gid = 0;
  std::string name;  // empty when the group database does not know it
  bool operator==(const Group&) const = default;
};

struct Actor {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;              // in our pid namespace; 0 when the peer is outside it
  std::string user_name;      // empty when the user database does not know the uid
  std::string program;        // path of the program, empty when it could not be read; for the record only, never to decide
  std::vector<Group> groups;  // primary first, then supplementary, without repeats
  bool operator==(const Actor&) const = default;
};

// Reads SO_PEERCRED and SO_PEERGROUPS of a connected Unix stream socket: both are the peer's credentials at connect(2),
// so what the process becomes later, or a user database changed later, does not matter (and a process that gave up a
// group does not get it back here). Names come from the user and group databases and may block on NSS: once per connection.
// The program path is read from /proc/PID/exe now: the process may have exec'd or ended, and its pid been given to another,
// between connect and this call. That is why it is informational. A path whose process does not belong to the uid is dropped.
// Errors: io (not a Unix socket).
Result<Actor> read_actor(int socket_fd);

}  // namespace sanad::access
