#pragma once
// Makes the kernel forward packets. Never switched off again, here or at uninstall: other programs of the host
// (containers, virtual machines) may have come to rely on it, and nobody can tell.

#include <filesystem>
#include <string>
#include <vector>

#include "gateway/base/result.hpp"

namespace sanad::firewall {

struct SysctlChange {
  std::string name;  // "net.ipv4.conf.wg0.forwarding", for the record
  std::string before;
  std::string after;
  bool operator==(const SysctlChange&) const = default;
};

struct ForwardingRequest {
  std::vector<std::string> interfaces;  // the tunnels; they must exist
  bool v4 = true;
  bool v6 = true;
};

// Reads before it writes and gives back what it changed, in order; nothing when all was right. Not atomic: on error what was
// changed before stays, and the next call reports the rest only.
//
// IPv4: whether a packet is forwarded is decided by conf/<incoming interface>/forwarding. The tunnel's alone would let
// requests out and no answer back in, and the uplink isn't ours to know; so net.ipv4.ip_forward it is, which sets
// it for every interface.
// IPv6: net.ipv6.conf.all.forwarding, for the same reason. It makes every interface ignore router advertisements
// unless accept_ra is 2 (Documentation/networking/ip-sysctl.rst): a host that learnt its default route that way would lose it
// minutes later. So accept_ra goes from 1 to 2 first, wherever it is 1 and forwarding was off.
//
// Errors: invalid_argument (not an interface name), not_found (no such interface), unsupported (no IPv6 in this kernel),
// permission_denied (not root, or /proc/sys is read-only; hint says how to do it outside).
Result<std::vector<SysctlChange>> enable_forwarding(const ForwardingRequest& request,
                                                    const std::filesystem::path& proc_sys = "/proc/sys");

}  // namespace sanad::firewall
