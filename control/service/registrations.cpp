#include <utility>

#include "control/registration/dossier.hpp"
#include "control/registration/request.hpp"
#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/queries.hpp"
#include "control/service/registration_record.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr std::size_t kMaxReference = 64;      // as the certificate's own field
constexpr std::size_t kMaxAnnouncement = 500;  // bytes

// meta: the application written last (PEM), until a certificate is installed.
constexpr const char* kMetaRequest = "registration_request";

struct History {
  std::vector<ledger::RegistrationRecord> records;
  std::uint64_t evidence = 0;
};

Error differs(std::string_view from, std::string_view what, const std::vector<std::string>& differences) {
  std::string text = std::string{what} + ":";
  for (const auto& one : differences) text += "\n  " + one;
  return {Errc::refused_by_policy, std::move(text), "certificate_pem." + std::string{from},
          "ask the issuer for another certificate, or put the gateway right; --despite-differences installs it all the same"};
}

Result<void> check_against_request(ledger::Transaction& txn, const registration::RegistrationClaims& certified) {
  const auto pem = txn.meta(kMetaRequest);
  if (!pem || pem->empty()) return {};
  const auto request = registration::parse_request(*pem);
  if (!request) return {};
  const auto found = registration::differences(request->claims, certified);
  if (found.empty()) return {};
  return differs("request", "the certificate is not what was asked for", found);
}

Result<void> check_text(const char* field, const std::string& text, std::size_t max) {
  if (text.size() > max) return Error{Errc::invalid_argument, "too long (at most " + std::to_string(max) + " bytes)", field};
  if (!is_plain_text(text)) return Error{Errc::invalid_argument, "holds control characters or is not UTF-8", field};
  return {};
}

}  // namespace

void Registrations::install(Caller caller, InstallRegistration input, Done<Changed<RegistrationStatus>> done) {
  if (auto ok = check_text("reference", input.reference.value_or(""), kMaxReference); !ok) return done(ok.error());
  if (auto ok = check_text("note", input.note, kMaxAnnouncement); !ok) return done(ok.error());
  auto verified = gateway_.registration().check(input.certificate_pem);
  if (!verified) return done(about_certificate(verified.error()));
  const auto& claims = verified->certificate.claims;
  if (!input.despite_differences) {
    if (auto in_date = check_in_date(*verified, now().wall); !in_date) return done(in_date.error());
    std::vector<std::string> wrong;
    for (const auto& finding : gateway_.registration().mismatches(claims, gateway_.registration().gateway_key()))
      wrong.push_back(finding.detail);
    if (!wrong.empty()) return done(differs("facts", "the certificate does not match this gateway", wrong));
  }
  const std::string fingerprint = hex_encode(verified->certificate.fingerprint);
  gateway_.change<History>(
      [input, fingerprint, caller, claims, reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<History> {
        if (!input.despite_differences) {
          if (auto same = check_against_request(txn, claims); !same) return same.error();
        }
        txn.set_meta(kMetaRequest, "");
        audit::EntityChange change{
            .verb = audit::EntityVerb::create, .action = "install", .type = "registration", .id = fingerprint};
        if (!reporter.certificate_fingerprint.empty()) change.details["replaces"] = reporter.certificate_fingerprint;
        if (input.reference) change.details["reference"] = *input.reference;
        if (!input.note.empty()) change.personal.push_back({"entity.note", boost::json::value(input.note), ""});
        const auto record = record_of(input, fingerprint, txn);
        auto index = txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
        if (!index) return index.error();
        txn.put_registration(record);
        return History{txn.registration_history(), *index};
      },
      [this, pem = input.certificate_pem, done = std::move(done)](Result<History> history) {
        if (!history) return done(history.error());
        gateway_.registration().set_history(std::move(history->records));
        gateway_.judge_registration();
        gateway_.sign_log_keys();
        // The ledger is what counts; the file is kept equal for people and for a state directory moved to another host.
        gateway_.device().post([pem, path = gateway_.config().registration.certificate] {
          if (auto written = write_file_durably(path, pem, 0644); !written) log::warn("{}", written.error().message);
        });
        done(Changed<RegistrationStatus>{gateway_.registration().status(), history->evidence});
      });
}

void Registrations::record_request(Caller caller, RecordRequest input, Done<Changed<Sha256>> done) {
  auto request = registration::parse_request(input.request_pem);
  if (!request) {
    Error error = request.error();
    error.field = "request_pem";
    return done(error);
  }
  const Sha256 digest = sha256(as_bytes(input.request_pem));
  gateway_.change<std::uint64_t>(
      [input = std::move(input), digest, caller,
       reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<std::uint64_t> {
        audit::EntityChange change{
            .verb = audit::EntityVerb::other, .action = "request", .type = "registration", .id = hex_encode(digest)};
        boost::json::array documents;
        for (const auto& document : input.documents)
          documents.push_back(boost::json::object{{"kind", document.kind}, {"sha256", hex_encode(document.sha256)}});
        change.details["documents"] = std::move(documents);
        txn.set_meta(kMetaRequest, input.request_pem);
        return txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
      },
      [digest, done = std::move(done)](Result<std::uint64_t> evidence) {
        if (!evidence) return done(evidence.error());
        done(Changed<Sha256>{digest, *evidence});
      });
}

void Registrations::grace(Caller caller, WallTime until, std::string announcement, Done<Changed<RegistrationStatus>> done) {
  if (announcement.empty())
    return done(Error{Errc::invalid_argument, "the announcement is needed: what was announced, and where", "announcement"});
  if (auto ok = check_text("announcement", announcement, kMaxAnnouncement); !ok) return done(ok.error());
  if (until <= now().wall) return done(Error{Errc::invalid_argument, "is in the past", "until"});
  if (gateway_.registration().history().empty())
    return done(
        Error{Errc::not_found, "no registration is installed that could be extended", "", "sanad registration install CERT"});
  gateway_.change<History>(
      [caller, until, announcement, fingerprint = gateway_.registration().history().back().fingerprint,
       reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<History> {
        audit::EntityChange change{
            .verb = audit::EntityVerb::update, .action = "grace", .type = "registration", .id = fingerprint};
        change.details["until"] = to_rfc3339(until);
        change.personal.push_back({"entity.announcement", boost::json::value(announcement), ""});
        auto index = txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
        if (!index) return index.error();
        if (auto set = txn.set_grace(fingerprint, until, announcement); !set) return set.error();
        return History{txn.registration_history(), *index};
      },
      [this, done = std::move(done)](Result<History> history) {
        if (!history) return done(history.error());
        gateway_.registration().set_history(std::move(history->records));
        gateway_.judge_registration();
        done(Changed<RegistrationStatus>{gateway_.registration().status(), history->evidence});
      });
}

}  // namespace sanad::service
