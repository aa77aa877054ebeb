// profile verify: offline, for the employee. Asks no daemon.

#include <boost/json.hpp>

#include "control/cli/commands.hpp"
#include "control/cli/json_view.hpp"
#include "control/cli/log_trust.hpp"
#include "control/cli/text.hpp"
#include "control/registration/crl.hpp"
#include "control/registration/genuine_list.hpp"
#include "control/registration/profile.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

// What scripts see of a profile that is not genuine: one exit status for each way. Listed in --help.
struct Reason {
  std::string_view check;  // registration::verify_profile's name of it
  int exit;
  std::string_view meaning;
};
constexpr Reason kReasons[] = {
    {"form", 10, "no profile of Sanad's, or a line that none has"},
    {"form.line_ends", 11, "Windows line ends (CR LF)"},
    {"form.byte_order_mark", 12, "a byte order mark"},
    {"form.order", 13, "lines in another order"},
    {"signature.missing", 14, "no signature"},
    {"signature.doubled", 15, "two signatures"},
    {"signature", 16, "edited: the signature does not fit"},
    {"certificate", 17, "nobody trusted vouches for the certificate"},
    {"certificate.dates", 18, "the certificate is not in date"},
    {"pin", 19, "another certificate than the pinned one"},
    {"peer.public_key", 20, "the server key is not the registered one"},
    {"peer.endpoint", 21, "the endpoint is not a registered one"},
    {"sequence", 22, "an old profile"},
    {"expires", 23, "the profile has expired"},
    {"revoked", 24, "the registration was revoked"},
    {"crl", 25, "the revocation list cannot be used"},
    {"list.missing", 26, "not on the list of genuine gateways"},
    {"list", 27, "the list of genuine gateways cannot be used"},
};

Exit exit_for(std::string_view check) {
  for (const Reason& reason : kReasons) {
    if (reason.check == check) return static_cast<Exit>(reason.exit);
  }
  return Exit::failure;
}

std::string exit_statuses() {
  std::string text = "Exit status:\n  0   genuine\n";
  for (const Reason& reason : kReasons) text += "  " + std::to_string(reason.exit) + "  " + std::string(reason.meaning) + "\n";
  return text;
}

struct VerifyOptions {
  std::string file;
  std::vector<std::string> trust;
  std::string level = "company", pin, list, crl;
  std::uint64_t least_sequence = 0;
  bool json = false;
};

// "AA:BB:.." or plain hex, either case: both are how tools print a SHA-256.
Outcome<Sha256> parse_pin(const std::string& text) {
  std::string hex;
  for (const char c : text)
    if (c != ':') hex.push_back(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
  const auto bytes = hex_decode(hex);
  Sha256 pin{};
  if (!bytes || bytes->size() != pin.size())
    return Failure{Exit::usage, "--pin: not a SHA-256 fingerprint (64 hex digits, with or without colons)"};
  std::copy(bytes->begin(), bytes->end(), pin.begin());
  return pin;
}

Outcome<void> verify(Context& context, const VerifyOptions& options) {
  if (options.trust.empty() && options.pin.empty())
    return Failure{Exit::usage, "nothing to check against",
                   "Name who you trust: --trust CA, or the certificate: --pin FINGERPRINT"};
  const auto level = registration::level_from_string(options.level);
  if (!level) return Failure{Exit::usage, "--level: one of self, company, association, regulator"};
  registration::ProfileCheck check;
  check.now = context.now();
  if (options.least_sequence > 0) check.least_sequence = options.least_sequence;
  for (const auto& path : options.trust)
    if (auto added = add_anchors(path, *level, check.anchors); !added) return added.error();
  if (!options.pin.empty()) {
    auto pin = parse_pin(options.pin);
    if (!pin) return pin.error();
    check.pin = *pin;
  }
  if (!options.crl.empty()) {
    auto list = read_file(options.crl, registration::kMaxCrl);
    if (!list) return failure_of(list.error());
    check.revocation_list = *std::move(list);
  }
  if (!options.list.empty()) {
    auto list = read_file(options.list, registration::kMaxGenuineList);
    if (!list) return failure_of(list.error());
    auto signature = read_file(options.list + ".sig", registration::kMaxListSignature);
    if (!signature) return failure_of(signature.error());
    check.genuine_list = {*std::move(list), Bytes(signature->begin(), signature->end())};
  }
  auto text = read_file(options.file, registration::kMaxProfile);
  if (!text) return failure_of(std::move(text).error());
  auto genuine = registration::verify_profile(*text, check);
  wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  if (!genuine) {
    const Error& error = genuine.error();
    if (options.json) {
      const boost::json::object out{{"genuine", false}, {"check", error.field}, {"reason", error.message}};
      context.out << to_line(out) << "\n";
    }
    return Failure{exit_for(error.field), "NOT GENUINE: " + error.message,
                   error.hint.empty() ? "Do not use it; ask whoever runs the gateway for another" : error.hint};
  }
  if (options.json) {
    const auto& certificate = genuine->verified.certificate;
    const auto& claims = certificate.claims;
    const auto time = [](const std::optional<WallTime>& t) {
      return t ? boost::json::value(to_rfc3339(*t)) : boost::json::value(nullptr);
    };
    const boost::json::object out{
        {"genuine", true},
        {"legal_name", certificate.claims.legal_name},
        {"level", registration::to_string(genuine->verified.level)},
        {"confirmed_by", genuine->verified.anchor_name},
        {"fingerprint", registration::fingerprint_text(certificate.fingerprint)},
        {"reference", claims.reference ? boost::json::value(*claims.reference) : boost::json::value(nullptr)},
        {"confirmed_at", to_rfc3339(certificate.not_before)},
        {"valid_until", to_rfc3339(genuine->verified.not_after)},
        {"registration_valid_until", time(claims.registration_valid_until)},
        {"not_revoked_at", time(genuine->not_revoked_at)},
        {"on_genuine_list", genuine->on_genuine_list},
        {"device", genuine->device_name},
        {"issued_at", to_rfc3339(genuine->issued_at)},
        {"expires_at", time(genuine->expires_at)},
        {"sequence", genuine->sequence}};
    context.out << to_line(out) << "\n";
  } else {
    context.out << safe_lines(registration::explain_profile(*genuine));
  }
  return {};
}

void define_verify(CLI::App& command, VerifyOptions& o) {
  command.add_option("file", o.file, "The profile")->required();
  command.add_option("--trust", o.trust,
                     "A certificate you trust (PEM): the company's or association's CA, or the gateway's own");
  command.add_option("--level", o.level, "What the CAs of --trust are: company, association, regulator")->capture_default_str();
  command.add_option("--pin", o.pin, "The gateway certificate's SHA-256 fingerprint, got some other way");
  command.add_option("--least-sequence", o.least_sequence, "Refuse a profile older than the one you have");
  command.add_option("--crl", o.crl, "The issuer's revocation list: refuse what is on it, or a list that is stale")
      ->type_name("FILE");
  command.add_option("--list", o.list, "The issuer's list of genuine gateways (and FILE.sig): refuse what is not on it")
      ->type_name("FILE");
  command.add_flag("--json", o.json, "For programs");
}

}  // namespace

void add_profile_commands(CLI::App& app, Chosen& chosen) {
  CLI::App* profile = app.add_subcommand("profile", "A client's profile: is it a genuine gateway's?");
  profile->require_subcommand(1);
  add_command<VerifyOptions>(*profile, chosen, "verify", "Check a profile offline: who runs the gateway, and who says so",
                             "sanad profile verify ayesha.conf --trust company-root.pem\n\n" + exit_statuses(), define_verify,
                             verify);
}

}  // namespace sanad::cli
