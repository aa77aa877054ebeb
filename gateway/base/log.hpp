#pragma once
// Messages for the person at the console or in the journal. Evidence does not go here: that is the audit log's.
// No secret and no personal data ever: a line may be forwarded anywhere.

#include <spdlog/spdlog.h>

namespace sanad::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

// Under systemd (JOURNAL_STREAM set): "<priority>message" lines, which the journal reads as levels; else with a time, to stderr.
// Call once, first thing in main.
void start(spdlog::level::level_enum level);

}  // namespace sanad::log
