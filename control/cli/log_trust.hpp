#pragma once
// Whether a log's keys lead back to a registration: the files beside the log that say so, held against the records. Offline.

#include <boost/json/array.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "control/audit/log_reader.hpp"
#include "control/audit/verifier.hpp"
#include "control/cli/context.hpp"
#include "control/cli/failure.hpp"
#include "control/registration/verify.hpp"

namespace sanad::cli {

struct TrustedRegistration {
  std::uint64_t from = 0;  // the record that installed it
  std::string legal_name;
  std::string level;         // what the anchors make of it; empty: no anchor of the caller's vouches for it
  std::string confirmed_by;  // the anchor; empty as above
  std::string reference;     // empty: none
};

struct LogTrust {
  std::vector<TrustedRegistration> registrations;
  std::uint64_t certificates_missing = 0;       // installed by a record, and not beside the log
  std::vector<std::uint64_t> unsigned_epochs;   // whose key no registration signed (with anchors: none that they vouch for)
  std::vector<std::uint64_t> before_the_first;  // of these: over before the first registration was installed
};

// Every file that is there must be what the records and the certificates make of it; what is missing is told. `anchors` empty: no
// certificate is held against anything. Failure: a file that is not what it must be, named.
Outcome<LogTrust> check_log_trust(const audit::LogReader& log, const audit::VerifiedLog& verified,
                                  const std::vector<registration::Anchor>& anchors);

// Whose keys these are, as far as the files beside the log can say. `anchored`: the caller named somebody to trust.
void print_trust(Context& context, const LogTrust& trust, bool anchored);
boost::json::array registrations_json(const LogTrust& trust);
// Who names whom he trusts wants every key to lead there, as far back as there was a registration.
Outcome<void> want_trust(const LogTrust& trust, bool anchored);

// PEM files of certificates that the caller trusts at `level`.
Outcome<void> add_anchors(const std::string& path, registration::Level level, std::vector<registration::Anchor>& anchors);

}  // namespace sanad::cli
