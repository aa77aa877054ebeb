#pragma once
// A client that sends exactly the bytes it is told to: half requests, slow ones and worse.

#include <sys/types.h>

#include <map>
#include <string>

#include "gateway/base/unique_fd.hpp"

namespace sanad::api::testing {

struct RawResponse {
  int status = 0;                             // 0: the connection ended before a whole answer came
  std::map<std::string, std::string> fields;  // lower-case names
  std::string body;                           // chunks joined
  bool whole = false;                         // the body came to its proper end
};

class RawClient {
 public:
  // Connects as `uid` where this process may (only root may be another one); fails the test when it cannot connect.
  explicit RawClient(const std::string& path, uid_t uid);
  // False when the server has gone.
  bool send(const std::string& bytes);
  void finish_sending();
  RawResponse receive();
  // Whatever comes within the receive timeout of 20 s; empty = end of the connection.
  std::string receive_some();
  // Waits for `text` in what arrives; true when it came.
  bool receive_until(const std::string& text);
  [[nodiscard]] const std::string& unread() const { return pending_; }

 private:
  bool fill();
  UniqueFd socket_;
  std::string pending_;
};

// A uid that is nobody special: another one when we are root, else our own.
uid_t ordinary_uid();

// A directory of our own under /tmp that others may enter, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace sanad::api::testing
