#pragma once
// What this host is, as far as init and doctor ask.

#include <optional>
#include <string>
#include <vector>

#include "gateway/base/ip.hpp"

namespace sanad::cli {

struct LocalAddress {
  std::string interface;
  IpAddress address;
};

std::vector<LocalAddress> local_addresses();  // neither loopback nor link-local
// The source address of packets to the Internet (a routing lookup, nothing is sent); none without a default route.
std::optional<LocalAddress> outward_address();
bool is_private(const IpAddress& address);  // RFC 1918, RFC 6598, RFC 4193: not reachable from the Internet
std::string host_name();                    // never empty
// The full path of `program` in PATH and the usual system directories.
std::optional<std::string> find_program(const std::string& program);
// Whether the running kernel has the module loaded, built in, or in its module directory.
bool kernel_has(const std::string& module);
// Whether nf_tables answers on netlink, as it does also where it is built in without a trace in /sys. Needs CAP_NET_ADMIN.
bool nf_tables_answers();

}  // namespace sanad::cli
