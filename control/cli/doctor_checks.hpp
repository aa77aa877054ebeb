#pragma once
// From what was found on the host to what an admin should do. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/base/clock.hpp"
#include "gateway/base/ip.hpp"

namespace sanad::cli {

enum class Verdict { ok, warn, fail };

struct Check {
  std::string name;
  Verdict verdict = Verdict::ok;
  std::string detail;
  std::string mend{};  // what to do; empty when ok
};

enum class DaemonAnswer { answers, not_running, denied, broken };

struct HostFacts {
  std::string config_path;
  std::vector<std::string> config_errors;  // empty: it passes
  std::string backend = "auto";            // as configured
  bool wants_nat = false;
  std::vector<IpAddress> registered;  // in the installed certificate
  std::string certificate_problem;    // why it cannot be used; empty when fine
  std::optional<WallTime> certificate_ends;
  std::vector<IpAddress> local;  // addresses of this host, and those configured as public
  bool kernel_wireguard = false;
  std::optional<std::string> wireguard_go;  // path
  std::optional<std::string> wg;
  bool tun_usable = false;
  bool is_root = false;
  bool net_admin = false;  // CAP_NET_ADMIN is effective
  bool nf_tables = false;
  bool forwarding_v4 = false, forwarding_v6 = false;
  ClockSync clock;
  std::int64_t disk_free = 0;  // bytes where the state lies
  DaemonAnswer daemon = DaemonAnswer::answers;
  std::string interface_problem;  // of one that is up; empty: none
  std::string daemon_detail;
  std::string session_events;         // "followed", "off", "userspace", "refused"; empty: the daemon did not say
  std::string session_events_detail;  // how, or why not
  std::string session_events_mend;
  WallTime now;
};

inline constexpr std::int64_t kDiskFail = 100'000'000;  // bytes; a day of a busy gateway's evidence
inline constexpr std::int64_t kDiskWarn = 1'000'000'000;

std::vector<Check> judge(const HostFacts& facts);

}  // namespace sanad::cli
