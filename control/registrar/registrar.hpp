#pragma once
// What a company, an association or a provider runs to confirm its members: reads applications, holds them against its policy,
// issues, revokes, publishes. One folder, one process at a time, one thread; every change is a record in a log of the same form
// as a gateway's, in the same transaction.
//
//   DIR/policy.yaml      what is confirmed; the registrar's to edit
//   DIR/ca.pem           its certificate, and those above it
//   DIR/keys/ca.key      its key (0600), unless that is kept elsewhere; DIR/keys/log-1.key signs the log
//   DIR/registrar.db     what was issued and revoked
//   DIR/log/             the log: may be copied to anyone
//   DIR/public/          what publish() writes: ca.pem, crl.pem, genuine.json, genuine.json.sig
//
// Errors, everywhere: not_found (no registrar there), io, corrupt, unavailable (another command holds it).

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/ocsf.hpp"
#include "control/registrar/policy.hpp"
#include "control/registrar/store.hpp"
#include "control/registration/genuine_list.hpp"
#include "control/registration/request.hpp"
#include "control/registration/revocation_list.hpp"

namespace sanad::registrar {

struct Beginning {
  std::string name;     // of the registrar, as certificates will show it
  std::string country;  // ISO 3166-1 alpha-2
  int days = 3650;      // validity of its certificate
  registration::KeyAlgorithm algorithm = registration::KeyAlgorithm::ed25519;
  std::filesystem::path key_file;  // where the key is put; empty: DIR/keys/ca.key
  // An issuer above this registrar; empty: it is its own root.
  std::filesystem::path parent_certificate;
  std::filesystem::path parent_key;
};

// One application, and what the registrar adds to it.
struct Application {
  std::string request;  // PEM
  std::optional<std::string> reference;
  std::optional<WallTime> approved_on;
  std::optional<WallTime> registration_valid_until;
  std::optional<WallTime> valid_until;  // the certificate's end; unset: the policy's longest
};

struct Inspection {
  registration::CertificateRequest request;
  registration::RegistrationClaims claims;  // as they would be certified
  registration::Validity validity;
  std::vector<Objection> objections;             // of the policy
  std::optional<IssuedCertificate> predecessor;  // the gateway's newest certificate, when it has one
};

struct Issued {
  IssuedCertificate certificate;
  std::string chain;         // PEM: the certificate, then those of the registrar but the root
  std::uint64_t record = 0;  // its index in the log
};

class Registrar final {
 public:
  // Makes the folder's content; the folder may be there, empty of a registrar. conflict: one is there already.
  static Result<void> begin(const std::filesystem::path& directory, const Beginning& beginning, const audit::Actor& actor,
                            WallTime now);
  static Result<Registrar> open(std::filesystem::path directory, audit::Actor actor);

  [[nodiscard]] const std::string& authority_pem() const { return ca_pem_; }  // this registrar's certificate
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path default_key() const { return directory_ / "keys" / "ca.key"; }
  [[nodiscard]] const Policy& policy() const { return policy_; }
  // The key in `file`, or in its usual place when that is empty. not_found with the way on: prepare and sign.
  [[nodiscard]] Result<registration::PrivateKeyPem> key(const std::filesystem::path& file) const;

  Result<Inspection> inspect(const Application& application, WallTime now);
  // refused_by_policy, all objections in the message, unless `despite`: then the record says so.
  Result<Issued> issue(const Application& application, const registration::PrivateKeyPem& key, bool despite, WallTime now);
  // Many in one transaction: all or none.
  Result<std::vector<Issued>> issue_all(const std::vector<Application>& applications, const registration::PrivateKeyPem& key,
                                        bool despite, WallTime now);
  // The first of two steps: PEM for whoever holds the key. accept_certificate takes back what they signed.
  Result<std::string> prepare(const Application& application, bool despite, WallTime now);
  Result<Issued> accept_certificate(std::string_view signed_pem, WallTime now);

  // not_found; conflict (revoked already).
  Result<IssuedCertificate> revoke(const std::string& serial, registration::RevocationReason reason, WallTime now);

  // registrar_lists.cpp: what is published. `key` unset: prepared for whoever holds it.
  Result<std::string> revocation_list(const registration::PrivateKeyPem* key, WallTime now);
  Result<std::string> genuine_list(WallTime now);
  // Checks the registrar's signature on what is to be public, records it, and writes it into DIR/public.
  Result<void> publish_revocation_list(std::string_view pem, WallTime now);
  Result<void> publish_genuine_list(std::string_view text, std::span<const std::uint8_t> signature, WallTime now);
  // Brings the log up to date: what was recorded is under a signed checkpoint afterwards.
  Result<void> publish_log(WallTime now);

  Store& store() { return *store_; }

 private:
  Registrar(std::filesystem::path directory, std::unique_ptr<Store> store, audit::Actor actor)
      : directory_(std::move(directory)), store_(std::move(store)), actor_(std::move(actor)) {}
  Result<Inspection> inspect_inside(const Application& application, WallTime now);
  Result<Issued> record(const std::string& certificate, bool despite, std::optional<WallTime> approved, WallTime now);
  Result<std::uint64_t> next_number(const std::string& meta);
  [[nodiscard]] audit::Reporter reporter() const;
  [[nodiscard]] Result<void> write_public(const std::string& name, std::string_view content) const;

  std::filesystem::path directory_;
  std::unique_ptr<Store> store_;
  audit::Actor actor_;
  std::string ca_pem_;
  std::string chain_pem_;  // ca.pem whole
  std::string name_;
  std::string id_;  // "registrar-pasha": in records and the log's origin
  Policy policy_;
};

}  // namespace sanad::registrar
