#pragma once
// What records say about the log itself: which key signs from where on, that the clock was set, that a registration was
// installed. Written by the gateway, read back by an auditor. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "control/audit/leaf_read.hpp"
#include "control/audit/ocsf.hpp"

namespace sanad::audit {

// Own event "log_key": the key of an epoch, and the first record of it. The first record of a log announces the key of its own
// epoch; any other announces the next one, whose first record follows it.
struct KeyAnnouncement {
  std::uint64_t epoch = 0;
  std::string vkey;
  std::uint64_t first_index = 0;
  bool operator==(const KeyAnnouncement&) const = default;
};
EventDraft key_announced(const Reporter& reporter, WallTime when, const KeyAnnouncement& key);
// Own event "log_key_destroyed": the private key of an epoch that is over is no more.
EventDraft key_destroyed(const Reporter& reporter, WallTime when, std::uint64_t epoch);

// Own event "clock": how far the wall clock was set, in milliseconds; negative: back.
struct ClockStep {
  std::int64_t ms = 0;
  bool operator==(const ClockStep&) const = default;
};

// An entity change "install" of a registration; or a "fork" of the log, which names the registration in force since a record of
// the log before. SHA-256 of the certificate, hex.
struct RegistrationInstalled {
  std::string fingerprint;
  std::optional<std::uint64_t> index{};  // the record that installed it, when that is another
  bool operator==(const RegistrationInstalled&) const = default;
};

using LogFact = std::variant<std::monostate, KeyAnnouncement, ClockStep, RegistrationInstalled>;

// What the record says about the log, most say nothing. Errors: corrupt (it is named like one of these and does not read so).
Result<LogFact> log_fact(std::string_view event);

}  // namespace sanad::audit
