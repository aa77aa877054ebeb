#include "control/cli/log_trust.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "control/audit/key_statement.hpp"
#include "control/cli/humane.hpp"
#include "control/cli/text.hpp"
#include "control/registration/signature.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::cli {
namespace {

constexpr std::size_t kMaxFile = registration::kMaxPem + 1024;

Failure not_intact(const std::string& file, const std::string& why) {
  return {Exit::failure, "NOT INTACT: " + file + ": " + why,
          "The records themselves verify; whose they are does not. Ask for another copy of this file"};
}

// Nothing when there is no such file.
Outcome<std::optional<std::string>> read_if_there(const audit::LogReader& log, const std::string& name) {
  auto text = log.text(name, kMaxFile);
  if (text) return std::optional(*std::move(text));
  if (text.error().code == Errc::not_found) return std::optional<std::string>();
  return not_intact(name, text.error().message);
}

class Checker final {
 public:
  Checker(const audit::LogReader& log, const audit::VerifiedLog& verified, const std::vector<registration::Anchor>& anchors)
      : log_(log),
        verified_(verified),
        anchors_(anchors),
        signed_(verified.epochs.size(), false),
        end_(verified.first_record + verified.checkpoint.size) {}

  Outcome<LogTrust> run() {
    auto installed = verified_.registrations;
    if (auto earlier = past_retention(); earlier) installed.insert(installed.begin(), *std::move(earlier));
    for (std::size_t i = 0; i < installed.size(); ++i) {
      const std::uint64_t end = i + 1 < installed.size() ? installed[i + 1].index : end_;
      if (auto done = registration(installed[i], end); !done) return done.error();
    }
    const std::uint64_t first = installed.empty() ? end_ : installed.front().index;
    for (std::size_t i = 0; i < signed_.size(); ++i) {
      const auto& epoch = verified_.epochs[i];
      if (signed_[i]) continue;
      trust_.unsigned_epochs.push_back(epoch.epoch);
      if (epoch.end.value_or(end_) <= first) trust_.before_the_first.push_back(epoch.epoch);
    }
    return std::move(trust_);
  }

 private:
  // What is in force by a record that is past retention: the certificate's issuer vouches for it, no record does any more.
  [[nodiscard]] std::optional<audit::InstalledRegistration> past_retention() const {
    if (!first_is_unknown(verified_.epochs.front())) return std::nullopt;
    const auto text = log_.text(audit::kRegistrationFile, kMaxFile);
    const auto index = text ? audit::registration_in_force_since(*text) : std::nullopt;
    if (!index || *index >= verified_.epochs.front().first) return std::nullopt;
    const auto chain = registration::split_chain(std::string_view(*text).substr(text->find('\n') + 1));
    const auto certificate = chain ? registration::parse_certificate(chain->front()) : Result<registration::Certificate>(Error{});
    if (!certificate) return std::nullopt;
    return audit::InstalledRegistration{*index, hex_encode(certificate->fingerprint)};
  }

  // Its first record is past retention: the statement says which it was.
  [[nodiscard]] bool first_is_unknown(const audit::LogEpoch& epoch) const {
    return verified_.past_retention && epoch.epoch == verified_.epochs.front().epoch;
  }

  Outcome<void> registration(const audit::InstalledRegistration& installed, std::uint64_t end) {
    const std::string file = audit::registration_chain_file(installed.index);
    auto pem = read_if_there(log_, file);
    if (!pem) return pem.error();
    if (!*pem) {
      ++trust_.certificates_missing;
      return {};
    }
    const auto chain = registration::split_chain(**pem);
    if (!chain) return not_intact(file, chain.error().message);
    const auto certificate = registration::parse_certificate(chain->front());
    if (!certificate) return not_intact(file, certificate.error().message);
    if (hex_encode(certificate->fingerprint) != installed.fingerprint) {
      return not_intact(file, "it is not the certificate that record " + std::to_string(installed.index) + " installed");
    }
    TrustedRegistration trusted{
        installed.index, certificate->claims.legal_name, {}, {}, certificate->claims.reference.value_or("")};
    if (const auto believed = registration::verify(**pem, anchors_); believed && !anchors_.empty()) {
      trusted.level = registration::to_string(believed->level);
      trusted.confirmed_by = believed->anchor_name;
    }
    for (std::size_t i = 0; i < verified_.epochs.size(); ++i) {
      const auto& epoch = verified_.epochs[i];
      if (epoch.first >= end || epoch.end.value_or(end_) <= installed.index) continue;
      const auto good = statement(installed.index, epoch, chain->front());
      if (!good) return good.error();
      if (*good && (anchors_.empty() || !trusted.level.empty())) signed_[i] = true;
    }
    trust_.registrations.push_back(std::move(trusted));
    return {};
  }

  // Whether there is one.
  Outcome<bool> statement(std::uint64_t registration_index, const audit::LogEpoch& epoch,
                          const std::string& certificate_pem) const {
    const std::string file = audit::key_statement_file(registration_index, epoch.epoch);
    const std::string signature_file = audit::key_signature_file(registration_index, epoch.epoch);
    const auto text = read_if_there(log_, file);
    if (!text) return text.error();
    if (!*text) return false;
    const std::uint64_t first = first_is_unknown(epoch) ? audit::first_of_statement(**text).value_or(epoch.first) : epoch.first;
    const auto want = audit::key_statement_text({verified_.checkpoint.origin, epoch.epoch, first, audit::to_vkey(epoch.key)});
    if (**text != want) return not_intact(file, "it is not about the key that the records announce");
    const auto signature = read_if_there(log_, signature_file);
    if (!signature) return signature.error();
    if (!*signature) return not_intact(signature_file, "it is missing beside its text");
    if (auto good = registration::check_text_signature(certificate_pem, **text, as_bytes(**signature)); !good) {
      return not_intact(signature_file, good.error().message);
    }
    return true;
  }

  const audit::LogReader& log_;
  const audit::VerifiedLog& verified_;
  const std::vector<registration::Anchor>& anchors_;
  std::vector<bool> signed_;  // beside verified_.epochs
  std::uint64_t end_;         // one past the last record
  LogTrust trust_;
};

std::string numbers(const std::vector<std::uint64_t>& list) {
  std::string text;
  for (const auto number : list) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

}  // namespace

Outcome<LogTrust> check_log_trust(const audit::LogReader& log, const audit::VerifiedLog& verified,
                                  const std::vector<registration::Anchor>& anchors) {
  return Checker(log, verified, anchors).run();
}

void print_trust(Context& context, const LogTrust& trust, bool anchored) {
  for (const auto& registration : trust.registrations) {
    context.out << "registered from record " << with_thousands(static_cast<std::int64_t>(registration.from))
                << " on: " << safe(registration.legal_name);
    if (!registration.reference.empty()) context.out << ", reference " << safe(registration.reference);
    if (!registration.level.empty()) {
      context.out << ", "
                  << (registration.level == "self" ? "by its own word" : "confirmed by " + safe(registration.confirmed_by))
                  << " (" << registration.level << ")";
    } else {
      context.out << (anchored ? ", confirmed by nobody you trust" : ", not held against anybody you trust (--trust CA)");
    }
    context.out << "\n";
  }
  if (trust.certificates_missing > 0) {
    context.out << "note: " << trust.certificates_missing << (trust.certificates_missing == 1 ? " certificate" : " certificates")
                << " that the records name, not beside the log.\n";
  }
  if (!trust.unsigned_epochs.empty()) {
    context.out << "note: no registration " << (anchored ? "you trust " : "") << "has signed the key of epoch "
                << numbers(trust.unsigned_epochs)
                << (trust.unsigned_epochs == trust.before_the_first ? "; none was installed then" : "") << ".\n";
  }
}

Outcome<void> want_trust(const LogTrust& trust, bool anchored) {
  if (!anchored) return {};
  const bool any = std::any_of(trust.registrations.begin(), trust.registrations.end(),
                               [](const TrustedRegistration& one) { return !one.level.empty(); });
  if (!any)
    return Failure{Exit::failure, "no registration you trust vouches for this log",
                   "Its records are intact; whose they are, nobody you trust says"};
  if (trust.unsigned_epochs == trust.before_the_first) return {};
  return Failure{Exit::failure, "no registration you trust has signed the key of epoch " + numbers(trust.unsigned_epochs),
                 "The records are intact, and nobody you trust says whose they are"};
}

boost::json::array registrations_json(const LogTrust& trust) {
  boost::json::array out;
  for (const auto& one : trust.registrations) {
    out.push_back({{"from", one.from},
                   {"legal_name", one.legal_name},
                   {"reference", one.reference},
                   {"level", one.level},
                   {"confirmed_by", one.confirmed_by}});
  }
  return out;
}

Outcome<void> add_anchors(const std::string& path, registration::Level level, std::vector<registration::Anchor>& anchors) {
  auto pem = read_file(path, registration::kMaxPem);
  if (!pem) return failure_of(std::move(pem).error());
  auto certificates = registration::split_chain(*pem);
  if (!certificates) return failure_of(std::move(certificates).error().within(path));
  for (auto& one : *certificates) {
    // A gateway's own certificate vouches only for itself, whatever level was asked for.
    const bool gateway = registration::parse_certificate(one).has_value();
    anchors.push_back({std::move(one), gateway ? registration::Level::self : level, {}});
  }
  return {};
}

}  // namespace sanad::cli
