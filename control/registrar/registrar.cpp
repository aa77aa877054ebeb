#include "control/registrar/registrar.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>

#include "control/registration/signing.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::registrar {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxKeyFile = 16 * 1024;
constexpr const char* kMetaId = "id";

Result<void> make_directory(const fs::path& directory, mode_t mode) {
  if (::mkdir(directory.c_str(), mode) == 0 || errno == EEXIST) return {};
  return from_errno(errno, "couldn't create " + directory.string());
}

// "P@SHA" -> "registrar-p-sha": goes into key names and records.
std::string id_of(std::string_view name) {
  std::string id = "registrar";
  bool gap = true;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool capital = c >= 'A' && c <= 'Z';
    if (!letter && !capital) {
      gap = true;
      continue;
    }
    if (gap) id += '-';
    gap = false;
    id += capital ? static_cast<char>(c + 32) : c;
  }
  return id;
}

WallTime whole_second(WallTime time) { return WallTime{time.ns / 1'000'000'000 * 1'000'000'000}; }

Result<std::string> make_certificate(const Beginning& beginning, const registration::PrivateKeyPem& key, WallTime now) {
  const registration::Validity validity{whole_second(now), whole_second(now) + std::chrono::hours(24) * beginning.days};
  if (beginning.parent_certificate.empty()) return registration::make_root(beginning.name, beginning.country, key, validity);
  auto parent = read_file(beginning.parent_certificate, registration::kMaxPem);
  if (!parent) return parent.error();
  auto chain = registration::split_chain(*parent);
  if (!chain) return std::move(chain).error().within(beginning.parent_certificate.string());
  auto parent_key = read_secret_file(beginning.parent_key, kMaxKeyFile);
  if (!parent_key) return parent_key.error();
  auto subject = registration::public_key_of(key);
  if (!subject) return subject.error();
  const registration::PrivateKeyPem issuer_key(*std::move(parent_key));
  auto certificate =
      registration::make_intermediate({chain->front(), issuer_key}, beginning.name, beginning.country, *subject, validity);
  if (!certificate) return certificate;
  for (const std::string& above : *chain) *certificate += above;
  return certificate;
}

IssuedCertificate row_for(const registration::Certificate& certificate, const Sha256& key_fingerprint, WallTime now) {
  IssuedCertificate row;
  row.serial = certificate.serial;
  row.fingerprint = certificate.fingerprint;
  row.legal_name = certificate.claims.legal_name;
  row.organization_identifier = certificate.claims.organization_identifier;
  row.gateway_id = certificate.claims.gateway_id;
  row.category = certificate.claims.category;
  row.reference = certificate.claims.reference;
  row.wireguard_key = certificate.claims.wireguard_key;
  row.key_fingerprint = key_fingerprint;
  row.not_before = certificate.not_before;
  row.not_after = certificate.not_after;
  row.ends = std::min(certificate.not_after, certificate.claims.registration_valid_until.value_or(certificate.not_after));
  row.issued_at = now;
  row.certificate = certificate.pem;
  return row;
}

Error refused(const std::vector<Objection>& objections) {
  std::string text = "not confirmed, the policy stands against it:";
  for (const Objection& one : objections) text += "\n  " + one.field + ": " + one.message;
  return {Errc::refused_by_policy,
          std::move(text),
          {},
          "change the application or policy.yaml; --despite-policy issues it and records that"};
}

// Names and addresses are personal where a holder is a person: the record carries their digests.
audit::EntityChange change_of(const IssuedCertificate& row, audit::EntityVerb verb, std::string action) {
  audit::EntityChange change{verb, std::move(action), "registration", hex_encode(row.fingerprint), {}, {}, {}, {}};
  change.details["serial"] = row.serial;
  change.details["category"] = registration::to_string(row.category);
  change.details["ends"] = row.ends.ms();
  change.personal.push_back({"entity.name", boost::json::value(row.legal_name), ""});
  change.personal.push_back({"entity.gateway_id", boost::json::value(row.gateway_id), ""});
  if (row.reference) change.personal.push_back({"entity.reference", boost::json::value(*row.reference), ""});
  return change;
}

}  // namespace

Result<void> Registrar::begin(const fs::path& directory, const Beginning& beginning, const audit::Actor& actor, WallTime now) {
  if (std::error_code ec; fs::exists(directory / "registrar.db", ec))
    return Error{
        Errc::conflict, "there is a registrar in " + directory.string() + " already", {}, "name another folder: --dir DIR"};
  auto key = registration::generate_key(beginning.algorithm);
  if (!key) return key.error();
  auto certificate = make_certificate(beginning, *key, now);
  if (!certificate) return certificate.error();

  for (const auto& [path, mode] : {std::pair{directory, 0750}, {directory / "keys", 0700}, {directory / "public", 0755}}) {
    if (auto made = make_directory(path, static_cast<mode_t>(mode)); !made) return made;
  }
  const fs::path key_file = beginning.key_file.empty() ? directory / "keys" / "ca.key" : beginning.key_file;
  if (std::error_code ec; fs::exists(key_file, ec))
    return Error{Errc::conflict, key_file.string() + " is there already, and may be a key in use", {}, "name another file"};
  if (auto written = write_file_durably(key_file, key->reveal(), 0600); !written) return written;
  if (auto written = write_file_durably(directory / "ca.pem", *certificate, 0644); !written) return written;
  if (std::error_code ec; !fs::exists(directory / "policy.yaml", ec)) {
    if (auto written = write_file_durably(directory / "policy.yaml", example_policy(), 0644); !written) return written;
  }
  if (auto written = write_file_durably(directory / "public" / "ca.pem", *certificate, 0644); !written) return written;
  auto store = Store::open(directory / "registrar.db", true);
  if (!store) return store.error();
  const std::string id = id_of(beginning.name);
  auto recorded = (*store)->transact([&]() -> Result<void> {
    (*store)->set_meta(kMetaId, id);
    const audit::Reporter reporter{id, {}, {}, read_clock_sync()};
    const auto summary = registration::parse_summary(registration::split_chain(*certificate)->front());
    audit::EntityChange change{audit::EntityVerb::create, "begin", "registrar", hex_encode(summary->fingerprint), {}, {}, {}, {}};
    auto index = (*store)->append(audit::entity_management(reporter, now, actor, std::move(change)), now);
    if (!index) return index.error();
    return {};
  });
  if (!recorded) return recorded;
  auto registrar = open(directory, actor);
  if (!registrar) return registrar.error();
  return registrar->publish_log(now);
}

Result<Registrar> Registrar::open(fs::path directory, audit::Actor actor) {
  auto store = Store::open(directory / "registrar.db", false);
  if (!store) return store.error();
  Registrar registrar(std::move(directory), *std::move(store), std::move(actor));
  auto pem = read_file(registrar.directory_ / "ca.pem", registration::kMaxPem);
  if (!pem) return pem.error();
  auto chain = registration::split_chain(*pem);
  if (!chain) return std::move(chain).error().within("ca.pem");
  registrar.ca_pem_ = chain->front();
  registrar.chain_pem_ = *std::move(pem);
  auto summary = registration::parse_summary(registrar.ca_pem_);
  if (!summary) return summary.error();
  registrar.name_ = summary->name;
  const fs::path policy_file = registrar.directory_ / "policy.yaml";
  auto text = read_file(policy_file, kMaxPolicyFile);
  if (!text) return text.error();
  auto policy = parse_policy(*text, policy_file.string());
  if (!policy) return policy.error();
  registrar.policy_ = *std::move(policy);
  auto known = registrar.store_->look([&]() -> Result<void> {
    registrar.id_ = registrar.store_->meta(kMetaId);
    return {};
  });
  if (!known) return known.error();
  return registrar;
}

Result<registration::PrivateKeyPem> Registrar::key(const fs::path& file) const {
  auto pem = read_secret_file(file.empty() ? default_key() : file, kMaxKeyFile);
  if (!pem) {
    Error error = pem.error();
    if (error.code == Errc::not_found) {
      error.message = "the registrar's key is not here (" + (file.empty() ? default_key() : file).string() + ")";
      error.hint = "with --key FILE, or in two steps: sanad registrar prepare here, sanad registrar sign where the key is";
    }
    return error;
  }
  return registration::PrivateKeyPem(*std::move(pem));
}

audit::Reporter Registrar::reporter() const { return {id_, {}, {}, read_clock_sync()}; }

Result<Inspection> Registrar::inspect_inside(const Application& application, WallTime now) {
  auto request = registration::parse_request(application.request);
  if (!request) return request.error();
  Inspection inspection;
  inspection.request = *request;
  inspection.claims = request->claims;
  if (application.reference) inspection.claims.reference = application.reference;
  if (application.approved_on) inspection.claims.approved_on = application.approved_on;
  if (application.registration_valid_until) inspection.claims.registration_valid_until = application.registration_valid_until;
  if (auto good = registration::check_claims(inspection.claims); !good) return good.error();
  const WallTime from = whole_second(now);
  inspection.validity = {from, whole_second(application.valid_until.value_or(from + policy_.longest_validity))};
  if (inspection.validity.not_after <= from) return Error{Errc::invalid_argument, "is in the past", "valid_until"};

  IssuedCertificate wanted;
  wanted.legal_name = inspection.claims.legal_name;
  wanted.gateway_id = inspection.claims.gateway_id;
  wanted.reference = inspection.claims.reference;
  wanted.wireguard_key = inspection.claims.wireguard_key;
  wanted.key_fingerprint = request->key_fingerprint;
  const Known known{store_->holder_of_key(wanted, now), store_->holder_of_reference(wanted, now)};
  inspection.objections = objections(policy_, inspection.claims, inspection.validity, known);
  inspection.predecessor = store_->predecessor(wanted.legal_name, wanted.gateway_id);
  return inspection;
}

Result<Inspection> Registrar::inspect(const Application& application, WallTime now) {
  Result<Inspection> inspection = Error{};
  auto looked = store_->look([&]() -> Result<void> {
    inspection = inspect_inside(application, now);
    return {};
  });
  if (!looked) return looked.error();
  return inspection;
}

Result<Issued> Registrar::record(const std::string& certificate, bool despite, std::optional<WallTime> approved, WallTime now) {
  auto parsed = registration::parse_certificate(certificate);
  if (!parsed) return parsed.error();
  auto key_fingerprint = registration::key_fingerprint_of(certificate);
  if (!key_fingerprint) return key_fingerprint.error();
  Issued issued{row_for(*parsed, *key_fingerprint, now), certificate, 0};
  auto above = registration::split_chain(chain_pem_);
  if (!above) return above.error();
  // The root is what people are given some other way.
  for (std::size_t i = 0; i + 1 < above->size(); ++i) issued.chain += (*above)[i];
  store_->insert(issued.certificate);
  auto change = change_of(issued.certificate, audit::EntityVerb::create, "issue");
  if (despite) change.details["despite_policy"] = true;
  if (approved) change.details["approved_on"] = approved->ms();
  auto index = store_->append(audit::entity_management(reporter(), now, actor_, std::move(change)), now);
  if (!index) return index.error();
  issued.record = *index;
  return issued;
}

Result<std::vector<Issued>> Registrar::issue_all(const std::vector<Application>& applications,
                                                 const registration::PrivateKeyPem& key, bool despite, WallTime now) {
  std::vector<Issued> out;
  auto done = store_->transact([&]() -> Result<void> {
    for (const Application& application : applications) {
      auto inspection = inspect_inside(application, now);
      if (!inspection) return inspection.error();
      const bool against = !inspection->objections.empty();
      if (against && !despite) return refused(inspection->objections);
      auto certificate =
          registration::issue_by({ca_pem_, key}, inspection->claims, inspection->request.public_key, inspection->validity);
      if (!certificate) return certificate.error();
      auto issued = record(*certificate, against, inspection->claims.approved_on, now);
      if (!issued) return issued.error();
      out.push_back(*std::move(issued));
    }
    return {};
  });
  if (!done) return done.error();
  return out;
}

Result<Issued> Registrar::issue(const Application& application, const registration::PrivateKeyPem& key, bool despite,
                                WallTime now) {
  auto issued = issue_all({application}, key, despite, now);
  if (!issued) return issued.error();
  return std::move(issued->front());
}

Result<std::string> Registrar::prepare(const Application& application, bool despite, WallTime now) {
  std::string prepared;
  auto done = store_->transact([&]() -> Result<void> {
    auto inspection = inspect_inside(application, now);
    if (!inspection) return inspection.error();
    if (!inspection->objections.empty() && !despite) return refused(inspection->objections);
    auto certificate =
        registration::prepare_certificate(ca_pem_, inspection->claims, inspection->request.public_key, inspection->validity);
    if (!certificate) return certificate.error();
    auto parsed = registration::parse_certificate(*certificate);
    if (!parsed) return parsed.error();
    store_->put_prepared(parsed->serial, *certificate);
    prepared = *std::move(certificate);
    return {};
  });
  if (!done) return done.error();
  return prepared;
}

Result<Issued> Registrar::accept_certificate(std::string_view signed_pem, WallTime now) {
  Result<Issued> issued = Error{};
  auto done = store_->transact([&]() -> Result<void> {
    auto parsed = registration::parse_certificate(signed_pem);
    if (!parsed) return parsed.error();
    const auto prepared = store_->prepared(parsed->serial);
    if (!prepared)
      return Error{Errc::not_found,
                   "no certificate with serial number " + parsed->serial + " was prepared here, or it was taken back already"};
    if (auto same = registration::check_signed_certificate(ca_pem_, *prepared, signed_pem); !same) return same;
    issued = record(parsed->pem, false, parsed->claims.approved_on, now);
    if (!issued) return issued.error();
    store_->drop_prepared(parsed->serial);
    return {};
  });
  if (!done) return done.error();
  return issued;
}

Result<IssuedCertificate> Registrar::revoke(const std::string& serial, registration::RevocationReason reason, WallTime now) {
  Result<IssuedCertificate> out = Error{};
  auto done = store_->transact([&]() -> Result<void> {
    auto found = store_->find(serial);
    if (!found) return Error{Errc::not_found, "no certificate with serial number " + serial + " was issued here"};
    if (found->revoked_at) return Error{Errc::conflict, "it was revoked on " + to_rfc3339(*found->revoked_at) + " already"};
    store_->revoke(serial, now, reason);
    auto change = change_of(*found, audit::EntityVerb::remove, "revoke");
    change.details["reason"] = registration::to_string(reason);
    auto index = store_->append(audit::entity_management(reporter(), now, actor_, std::move(change)), now);
    if (!index) return index.error();
    found->revoked_at = now;
    found->reason = reason;
    out = *std::move(found);
    return {};
  });
  if (!done) return done.error();
  return out;
}

}  // namespace sanad::registrar
