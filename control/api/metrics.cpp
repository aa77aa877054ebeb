#include "control/api/metrics.hpp"

#include <fmt/format.h>

namespace sanad::api {
namespace {

class Writer {
 public:
  // `kind`: "gauge" or "counter". Samples of the metric follow.
  void metric(std::string_view name, std::string_view kind, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, kind);
  }
  template <class Number>
  void sample(Number value) {
    text_ += fmt::format("{} {}\n", name_, value);
  }
  template <class Number>
  void sample(std::string_view label, std::string_view label_value, Number value) {
    text_ += fmt::format("{}{{{}=\"{}\"}} {}\n", name_, label, escape(label_value), value);
  }
  std::string take() { return std::move(text_); }

 private:
  static std::string escape(std::string_view value) {
    std::string out;
    for (const char c : value) {
      if (c == '\\' || c == '"') out.push_back('\\');
      out.push_back(c);
    }
    return out;
  }

  std::string name_{};
  std::string text_{};
};

double seconds(WallTime time) { return static_cast<double>(time.ns) / 1e9; }

void write_interfaces(Writer& out, const service::Status& status) {
  const auto each = [&](std::string_view name, std::string_view kind, std::string_view help, auto value_of) {
    out.metric(name, kind, help);
    for (const auto& interface : status.interfaces) out.sample("interface", interface.name, value_of(interface));
  };
  using Interface = service::InterfaceStatus;
  each("sanad_peers_connected", "gauge", "Peers with an open session.", [](const Interface& i) { return i.connected; });
  each("sanad_peers_served", "gauge", "Peers that the backend is to have now.", [](const Interface& i) { return i.peers; });
  each("sanad_backend_up", "gauge", "1 while the WireGuard backend answers.",
       [](const Interface& i) { return i.state == "backend_down" ? 0 : 1; });
  each("sanad_snapshot_seconds", "gauge", "How long the last reading of the device took.",
       [](const Interface& i) { return i.snapshot_ms / 1000.0; });
  each("sanad_snapshot_interruptions_total", "counter", "Readings repeated because something changed under them.",
       [](const Interface& i) { return i.interruptions; });
  each("sanad_polls_total", "counter", "Readings of the device.", [](const Interface& i) { return i.polls; });
  each("sanad_polls_late_total", "counter", "Readings later than they should have been.",
       [](const Interface& i) { return i.late_polls; });
  each("sanad_session_hints_total", "counter", "Handshakes told by the kernel that may begin a session.",
       [](const Interface& i) { return i.hints; });
  each("sanad_session_looks_total", "counter", "Readings of the device because of them.",
       [](const Interface& i) { return i.looks; });
  each("sanad_drift_total", "counter", "Differences found on the device and put right.",
       [](const Interface& i) { return i.drift_total; });
  each("sanad_backend_restarts_total", "counter", "Times the backend was started again.",
       [](const Interface& i) { return i.backend_restarts; });
}

void write_registration(Writer& out, const service::RegistrationStatus& registration) {
  using Kind = registration::StandingKind;
  out.metric("sanad_registration_standing", "gauge", "1 for the standing the registration has now.");
  for (const Kind kind :
       {Kind::in_force, Kind::expiring, Kind::grace, Kind::expired, Kind::mismatch, Kind::revoked, Kind::unregistered}) {
    out.sample("standing", registration::to_string(kind), registration.standing.kind == kind ? 1 : 0);
  }
  if (registration.valid_until) {
    out.metric("sanad_registration_not_after_seconds", "gauge", "End of the registration, Unix time.");
    out.sample(seconds(*registration.valid_until));
  }
}

void write_witnesses(Writer& out, const std::vector<service::WitnessStatus>& witnesses) {
  const auto each = [&](std::string_view name, std::string_view kind, std::string_view help, auto value_of) {
    out.metric(name, kind, help);
    for (const auto& witness : witnesses) out.sample("witness", witness.name, value_of(witness));
  };
  using Witness = service::WitnessStatus;
  each("sanad_witness_records", "gauge", "Records that the witness has cosigned.",
       [](const Witness& w) { return w.records.value_or(0); });
  each("sanad_witness_lag_records", "gauge", "Records that the witness has not cosigned.",
       [](const Witness& w) { return w.lag_records; });
  each("sanad_witness_lag_seconds", "gauge", "Age of the oldest record that the witness has not cosigned.",
       [](const Witness& w) { return std::chrono::duration<double>(w.lag).count(); });
  each("sanad_witness_alarm", "gauge", "1 while the witness is behind for too long, or has seen another history.",
       [](const Witness& w) { return w.alarm ? 1 : 0; });
  each("sanad_witness_failures_total", "counter", "Attempts to have something cosigned that failed.",
       [](const Witness& w) { return w.failures; });
}

}  // namespace

std::string metrics_text(const service::Status& status, const HttpCounters& http, std::uint64_t resident_bytes) {
  Writer out;
  out.metric("sanad_build_info", "gauge", "Always 1; the version is the label.");
  out.sample("version", SANAD_VERSION, 1);
  out.metric("sanad_peers", "gauge", "Peers that are not revoked.");
  out.sample(status.peers_total);
  out.metric("sanad_peers_enabled", "gauge", "Peers that are enabled.");
  out.sample(status.peers_enabled);
  write_interfaces(out, status);
  out.metric("sanad_sessions_open", "gauge", "Sessions open now.");
  out.sample(status.sessions_open);
  out.metric("sanad_records_total", "counter", "Leaves of the evidence log.");
  out.sample(status.records);
  out.metric("sanad_events_held", "gauge", "Events observed and waiting for storage.");
  out.sample(status.events_held);
  out.metric("sanad_storage_writable", "gauge", "1 while records can be written.");
  out.sample(status.writable ? 1 : 0);
  out.metric("sanad_disk_free_bytes", "gauge", "Free space where the records are.");
  out.sample(status.disk_free_bytes);
  write_registration(out, status.registration);
  if (!status.witnesses.empty()) write_witnesses(out, status.witnesses);
  out.metric("sanad_clock_synchronised", "gauge", "1 while the kernel says the clock is synchronised.");
  out.sample(status.clock.synchronised ? 1 : 0);
  out.metric("sanad_clock_offset_seconds", "gauge", "Last offset the time client reported.");
  out.sample(static_cast<double>(status.clock.offset_us) / 1e6);
  out.metric("sanad_http_requests_total", "counter", "Answers on the admin socket, by status.");
  for (const auto& [code, count] : http.answers) out.sample("code", std::to_string(code), count);
  out.metric("sanad_http_connections", "gauge", "Connections to the admin socket.");
  out.sample(http.connections);
  out.metric("sanad_http_connections_refused_total", "counter", "Connections over a limit.");
  out.sample(http.refused_connections);
  out.metric("process_resident_memory_bytes", "gauge", "Resident memory of the daemon.");
  out.sample(resident_bytes);
  out.metric("process_start_time_seconds", "gauge", "Start of the daemon, Unix time.");
  out.sample(seconds(status.started));
  return out.take();
}

}  // namespace sanad::api
