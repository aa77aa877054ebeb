#include "control/cli/status_view.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "control/cli/humane.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/text.hpp"
#include "control/cli/when.hpp"

namespace sanad::cli {
namespace {

std::string line(std::string_view name, std::string_view value) { return pad_right(name, 14) + std::string(value) + "\n"; }

std::string interface_text(const Context& context, const json::value& interface, std::int64_t uptime_s) {
  const std::string state = text_at(interface, "state");
  std::string text =
      fmt::format("{} ({}), port {}, ", shown(interface, "name"), shown(interface, "backend"), int_at(interface, "listen_port"));
  if (state == "up") {
    text += "up " + humane_duration(std::chrono::seconds(uptime_s));
  } else {
    text += context.paint(state == "backend_down" ? "BACKEND DOWN" : "DOWN", "31");
  }
  if (const auto drift = int_at(interface, "drift_total"); drift != 0)
    text += fmt::format(", {} difference{} put right", with_thousands(drift), drift == 1 ? "" : "s");
  if (const auto gaps = int_at(interface, "interruptions"); gaps != 0)
    text += fmt::format(", {} interruption{}", with_thousands(gaps), gaps == 1 ? "" : "s");
  if (find(interface, "problem") != nullptr)
    text += context.paint("; " + shown(interface, "problem"), state == "up" ? "33" : "31");
  return text;
}

std::string evidence_text(const Context& context, const json::value& evidence) {
  std::string text = with_thousands(int_at(evidence, "records")) + " records, ";
  if (const auto age = number_at(evidence, "checkpoint_age_s")) {
    text += "checkpoint " + humane_duration(std::chrono::milliseconds(static_cast<std::int64_t>(*age * 1000))) + " ago, ";
  } else {
    text += "no checkpoint yet, ";
  }
  const auto witnesses = array_at(evidence, "witnesses").size();
  text += witnesses == 0 ? "no witness (evidence.witnesses in /etc/sanad/sanad.yaml)"
                         : fmt::format("{} witness{}", witnesses, witnesses == 1 ? "" : "es");
  if (find(evidence, "writable") != nullptr && !bool_at(evidence, "writable")) {
    text += context.paint("; NOT WRITABLE, no change is accepted: " + shown(evidence, "problem"), "31");
  } else if (find(evidence, "problem") != nullptr) {
    text += context.paint("; " + shown(evidence, "problem"), "33");
  }
  return text;
}

std::string witness_text(const Context& context, const json::value& witness, std::int64_t records) {
  std::string text = shown(witness, "name") + "   ";
  const auto lag_s = number_at(witness, "lag_s").value_or(0);
  std::string figures = "nothing cosigned yet";
  if (const auto cosigned = number_at(witness, "records")) {
    const std::int64_t lag = int_at(witness, "lag_records");
    figures = lag == 0 ? "all records cosigned"
                       : fmt::format("{} of {} records cosigned", with_thousands(static_cast<std::int64_t>(*cosigned)),
                                     with_thousands(records));
  }
  if (lag_s > 0)
    figures += ", " + humane_duration(std::chrono::milliseconds(static_cast<std::int64_t>(lag_s * 1000))) + " behind";
  if (find(witness, "problem") != nullptr) figures += ": " + shown(witness, "problem");
  if (bool_at(witness, "alarm")) return text + context.paint("ALARM: " + figures, "31");
  return text + (find(witness, "problem") != nullptr ? context.paint(figures, "33") : figures);
}

}  // namespace

std::string standing_text(const Context& context, const json::value& standing) {
  const std::string kind = text_at(standing, "standing");
  const std::string action = text_at(standing, "action");
  if (kind == "in_force") return context.paint("in force", "32");
  std::string text = kind.empty() ? "unknown" : safe(kind);
  if (action == "refuse_new") text += ": new and re-enabled peers are refused";
  if (action == "suspend") text += ": peers are suspended";
  return context.paint(text, kind == "expiring" || kind == "grace" ? "33" : "31");
}

std::string revocation_text(const Context& context, const json::value& standing) {
  const std::string status = text_at(standing, "revocation.status");
  if (status == "no_issuer") return "nobody but the company itself could revoke it";
  if (status == "not_checked")
    return "not checked: no revocation list is configured (registration.crl_urls, registration.crl_files)";
  if (status == "unavailable") return context.paint("NEVER CHECKED: no configured list can be used", "31");
  const auto checked = time_at(standing, "revocation.checked_at");
  const std::string when = checked ? ", last checked " + show_time(*checked, context.now()) : "";
  if (status == "revoked") return context.paint("REVOKED" + when, "31");
  return status == "good" ? "not revoked" + when : "unknown";
}

std::string status_text(const Context& context, const json::value& status) {
  std::string out;
  const auto uptime = int_at(status, "uptime_s");
  bool first = true;
  const std::string gateway = shown(status, "gateway");
  for (const auto& interface : array_at(status, "interfaces")) {
    out += line(first ? "gateway" : "", (first ? gateway : std::string(display_width(gateway), ' ')) + "   " +
                                            interface_text(context, interface, uptime));
    first = false;
  }
  if (first) out += line("gateway", gateway + "   no interface");
  std::string registration = shown(status, "registration.sentence");
  const auto* standing = find(status, "registration");
  if (standing != nullptr && text_at(*standing, "standing") != "in_force")
    registration += "  [" + standing_text(context, *standing) + "]";
  out += line("registration", registration);
  const std::string revocation = text_at(status, "registration.revocation.status");
  if (standing != nullptr && (revocation == "good" || revocation == "revoked" || revocation == "unavailable"))
    out += line("", revocation_text(context, *standing));
  const std::string peers = fmt::format("{} ({} connected)", with_thousands(int_at(status, "peers.total")),
                                        with_thousands(int_at(status, "peers.connected")));
  out += line("peers", pad_right(peers, 24) + fmt::format("sessions today {}", with_thousands(int_at(status, "sessions.today"))));
  if (const auto expiring = int_at(status, "peers.expiring"); expiring > 0)
    out += line("", context.paint(fmt::format("{} {} within 3 days: sanad peer list", with_thousands(expiring),
                                              expiring == 1 ? "ends" : "end"),
                                  "33"));
  if (const auto* evidence = find(status, "evidence")) {
    out += line("evidence", evidence_text(context, *evidence));
    for (const auto& witness : array_at(*evidence, "witnesses"))
      out += line("witness", witness_text(context, witness, int_at(*evidence, "records")));
  }
  const auto offset = number_at(status, "clock.offset_ms");
  const std::string clock = bool_at(status, "clock.synchronised")
                                ? fmt::format("synchronised{}", offset ? fmt::format(" (offset {:.1f} ms)", *offset) : "")
                                : context.paint("NOT SYNCHRONISED", "33");
  out += line("clock", pad_right(clock, 24) + (clock.size() >= 24 ? "          " : "") +
                           fmt::format("disk {} free", humane_bytes(int_at(status, "disk.free_bytes"))));
  return out;
}

}  // namespace sanad::cli
