#pragma once
// The URLs we are told to send something to: http or https, a host, perhaps a port and a path. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"

namespace sanad {

constexpr std::size_t kMaxUrl = 1024;  // bytes

struct HttpUrl {
  bool tls = false;
  std::string host;        // a name or an address; an IPv6 address without brackets
  std::uint16_t port = 0;  // of the scheme, where none was written
  std::string path;        // empty, or begins with '/' and does not end with one
  bool operator==(const HttpUrl&) const = default;
};

// "https://witness.example/sanad": no user, query or fragment; one '/' at the end is dropped. Errors: invalid_argument.
Result<HttpUrl> parse_http_url(std::string_view text);

// "host:port" as the Host field has it: brackets around an IPv6 address, no port that the scheme implies.
std::string host_field(const HttpUrl& url);

}  // namespace sanad
