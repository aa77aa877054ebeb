#include "control/cli/doctor_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "control/cli/humane.hpp"
#include "control/cli/when.hpp"

namespace sanad::cli {
namespace {

Check config(const HostFacts& f) {
  if (f.config_errors.empty()) return {"configuration", Verdict::ok, f.config_path + " passes"};
  std::string detail = f.config_errors.front();
  if (f.config_errors.size() > 1) detail += fmt::format(" (and {} more)", f.config_errors.size() - 1);
  return {"configuration", Verdict::fail, detail, "Mend what it says, or begin: sanad init"};
}

Check backend(const HostFacts& f) {
  if (f.backend != "userspace" && f.kernel_wireguard) return {"wireguard", Verdict::ok, "the kernel has it"};
  if (f.backend == "kernel")
    return {"wireguard", Verdict::fail, "backend: kernel, but this kernel has no wireguard module",
            "Use a kernel with it, or backend: auto"};
  if (f.wireguard_go) return {"wireguard", Verdict::ok, "userspace: " + *f.wireguard_go};
  return {"wireguard", Verdict::fail, "neither in the kernel nor as wireguard-go", "apt install wireguard-go"};
}

Check tun(const HostFacts& f) {
  if (f.tun_usable) return {"tun device", Verdict::ok, "/dev/net/tun can be opened"};
  const bool needed = f.backend == "userspace" || !f.kernel_wireguard;
  return {"tun device", needed ? Verdict::fail : Verdict::warn,
          needed ? "/dev/net/tun cannot be opened" : "/dev/net/tun cannot be opened; the kernel backend does without",
          f.is_root ? "modprobe tun; in a container, pass the device in" : "Run doctor as root to be sure"};
}

Check permissions(const HostFacts& f) {
  if (f.net_admin) return {"permissions", Verdict::ok, "may manage the network (CAP_NET_ADMIN)"};
  if (!f.is_root)
    return {"permissions", Verdict::warn, "not root: what sanadd may do cannot be told", "Run it as root: sudo sanad doctor"};
  return {"permissions", Verdict::fail, "root, but without CAP_NET_ADMIN: no interface can be made",
          "In a container, add the capability NET_ADMIN"};
}

Check firewall(const HostFacts& f) {
  if (f.nf_tables) return {"nftables", Verdict::ok, "the kernel has it"};
  return {"nftables", f.wants_nat ? Verdict::fail : Verdict::warn,
          "the kernel has no nf_tables: no masquerading, and peers are not kept apart",
          "modprobe nf_tables, or a kernel with it"};
}

Check forwarding(const HostFacts& f) {
  if (f.forwarding_v4 && f.forwarding_v6) return {"forwarding", Verdict::ok, "on for IPv4 and IPv6"};
  const std::string which = f.forwarding_v4 ? "IPv6" : f.forwarding_v6 ? "IPv4" : "IPv4 and IPv6";
  // A daemon that runs has had its chance to turn it on.
  if (f.daemon != DaemonAnswer::answers)
    return {"forwarding", Verdict::ok, "off for " + which + "; sanadd turns it on for its interfaces when it starts"};
  return {"forwarding", Verdict::warn, "off for " + which + " in general; peers reach only what sanadd turned it on for",
          "sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"};
}

Check clock(const HostFacts& f) {
  if (f.clock.synchronised)
    return {"clock", Verdict::ok, fmt::format("synchronised (offset {:.1f} ms)", static_cast<double>(f.clock.offset_us) / 1000)};
  return {"clock", Verdict::warn, "not synchronised: the times in the evidence are this host's word only",
          "apt install systemd-timesyncd, or chrony; then timedatectl set-ntp true"};
}

Check registration(const HostFacts& f) {
  if (!f.certificate_problem.empty())
    return {"registration", Verdict::fail, f.certificate_problem,
            "sanad registration install CERT, or sanad init for a self-declared one"};
  if (f.certificate_ends && *f.certificate_ends < f.now)
    return {"registration", Verdict::fail, "the certificate ended on " + show_date(*f.certificate_ends),
            "Renew it, then: sanad registration install CERT"};
  if (f.certificate_ends && *f.certificate_ends < f.now + std::chrono::hours(24 * 30)) {
    return {"registration", Verdict::warn, "the certificate ends on " + show_date(*f.certificate_ends),
            "Renew it now, then: sanad registration install CERT"};
  }
  return {"registration", Verdict::ok,
          f.certificate_ends ? "certificate until " + show_date(*f.certificate_ends) : "not looked at"};
}

Check addresses(const HostFacts& f) {
  std::string missing;
  for (const auto& address : f.registered) {
    if (std::find(f.local.begin(), f.local.end(), address) == f.local.end())
      missing += (missing.empty() ? "" : ", ") + address.to_string();
  }
  if (f.registered.empty())
    return {"addresses", Verdict::warn, "no address is registered", "Registered addresses come with the certificate"};
  if (missing.empty()) return {"addresses", Verdict::ok, "every registered address is this host's"};
  return {"addresses", Verdict::fail, missing + " is registered, but not an address of this host",
          "Behind 1:1 NAT: registration.public_addresses in " + f.config_path};
}

Check disk(const HostFacts& f) {
  const std::string free = humane_bytes(f.disk_free) + " free";
  if (f.disk_free < kDiskFail)
    return {"disk", Verdict::fail, free, "Make room: without it no change is accepted, because none could be recorded"};
  if (f.disk_free < kDiskWarn) return {"disk", Verdict::warn, free, "Make room before it runs out"};
  return {"disk", Verdict::ok, free};
}

Check tools(const HostFacts& f) {
  if (f.wg) return {"tools", Verdict::ok, *f.wg};
  return {"tools", Verdict::warn, "wg is missing; sanadd does without, people miss it", "apt install wireguard-tools"};
}

Check daemon(const HostFacts& f) {
  switch (f.daemon) {
    case DaemonAnswer::answers:
      if (!f.interface_problem.empty())
        return {"sanadd", Verdict::warn, f.interface_problem,
                "Others are served; it is tried again at each reading: sanad status"};
      return {"sanadd", Verdict::ok, f.daemon_detail};
    case DaemonAnswer::not_running:
      return {"sanadd", Verdict::warn, f.daemon_detail, "systemctl start sanadd"};
    case DaemonAnswer::denied:
      return {"sanadd", Verdict::warn, f.daemon_detail, "Run doctor as root, or get a role: access.roles in " + f.config_path};
    case DaemonAnswer::broken:
      break;
  }
  return {"sanadd", Verdict::fail, f.daemon_detail, "journalctl -u sanadd"};
}

// Nothing is lost without it, so it never fails.
Check session_events(const HostFacts& f) {
  const std::string later = "seen at the next reading (sessions.poll_interval)";
  if (f.session_events == "followed")
    return {"session starts", Verdict::ok, "seen as they happen: the kernel tells (" + f.session_events_detail + ")"};
  if (f.session_events == "refused")
    return {"session starts", Verdict::warn, later + ": " + f.session_events_detail,
            f.session_events_mend.empty() ? "Nothing is lost by it; to say that it is known: sessions.events: off"
                                          : f.session_events_mend};
  return {"session starts", Verdict::ok,
          later + (f.session_events == "off" ? ": sessions.events is off" : ": wireguard-go does not tell")};
}

}  // namespace

std::vector<Check> judge(const HostFacts& f) {
  std::vector<Check> checks{config(f), backend(f),      tun(f),       permissions(f), firewall(f), forwarding(f),
                            clock(f),  registration(f), addresses(f), disk(f),        tools(f),    daemon(f)};
  if (!f.session_events.empty()) checks.push_back(session_events(f));
  return checks;
}

}  // namespace sanad::cli
