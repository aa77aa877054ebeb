#pragma once
// What this gateway's registration is and what follows from it now. Loop thread; files are read on the device worker and
// come here as values.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "control/ledger/records.hpp"
#include "control/registration/profile.hpp"
#include "control/registration/standing.hpp"
#include "control/service/list_fetcher.hpp"
#include "control/service/queries.hpp"
#include "control/service/revocation_lists.hpp"

namespace sanad::service {

// What the files say. Read by load_material(), on a thread that may block.
struct RegistrationMaterial {
  std::string certificate_pem;                             // the chain in the configured file; empty when there is none
  std::shared_ptr<const registration::PrivateKeyPem> key;  // null when there is none; shared because material is a copyable value
  std::vector<registration::Anchor> anchors;
  std::vector<ListReading> crls;            // those in files
  std::vector<IpAddress> public_addresses;  // configured, or the host's own
};

// Errors: a file that is configured and cannot be read, with its name.
Result<RegistrationMaterial> load_material(const config::Registration& settings, const std::vector<std::string>& own_interfaces);

registration::Policy policy_of(const config::Registration& settings, const std::optional<registration::Grace>& grace);

class RegistrationKeeper {
 public:
  RegistrationKeeper(const config::Registration& settings, wg::PublicKey gateway_key, std::uint16_t listen_port);

  void configure(const config::Registration& settings, std::uint16_t listen_port);
  void set_material(RegistrationMaterial material) { material_ = std::move(material); }
  void set_history(std::vector<ledger::RegistrationRecord> history) { history_ = std::move(history); }

  // Checks a chain as install does: form, chain to a configured anchor (or itself: self level), the registration key, the
  // gateway's WireGuard key (or the one it is about to have). invalid_argument or refused_by_policy; `field` begins with
  // "certificate." when the fault is none of its form.
  [[nodiscard]] Result<registration::Verified> check(std::string_view chain_pem) const { return check(chain_pem, gateway_key_); }
  [[nodiscard]] Result<registration::Verified> check(std::string_view chain_pem, const wg::PublicKey& gateway_key) const;
  // What of the live gateway is not as `claims` register it.
  [[nodiscard]] std::vector<registration::Finding> mismatches(const registration::RegistrationClaims& claims,
                                                              const wg::PublicKey& gateway_key) const;
  void set_gateway_key(const wg::PublicKey& key) { gateway_key_ = key; }
  [[nodiscard]] const wg::PublicKey& gateway_key() const { return gateway_key_; }

  // Lists that were fetched before a restart, by URL.
  void set_kept(std::vector<ListReading> lists) { lists_.set_kept(std::move(lists)); }
  // A list that was fetched, or why it was not. True when it can be used: worth keeping over a restart.
  bool set_fetched(FetchedList list, WallTime now);

  // Judges again. True when kind, action, threshold or findings changed.
  bool judge(WallTime now);
  [[nodiscard]] const registration::Standing& standing() const { return standing_; }
  [[nodiscard]] RegistrationStatus status() const;
  [[nodiscard]] const std::optional<registration::Installed>& installed() const { return installed_; }
  [[nodiscard]] const std::vector<ledger::RegistrationRecord>& history() const { return history_; }
  [[nodiscard]] const RegistrationMaterial& material() const { return material_; }

  [[nodiscard]] bool signs_profiles() const { return installed_ && material_.key != nullptr; }
  // Signs a client's profile when there is a certificate and its key; else the profile goes out unsigned.
  Result<std::string> write_profile(registration::ProfileInput input) const;

 private:
  [[nodiscard]] const ledger::RegistrationRecord* current() const { return history_.empty() ? nullptr : &history_.back(); }
  [[nodiscard]] std::vector<ListReading> readings() const;
  [[nodiscard]] std::vector<registration::Anchor> anchors_for(std::string_view chain_pem) const;

  [[nodiscard]] registration::Facts facts(const wg::PublicKey& gateway_key) const;

  config::Registration settings_;
  wg::PublicKey gateway_key_;
  std::uint16_t listen_port_;
  RegistrationMaterial material_;
  std::vector<ledger::RegistrationRecord> history_;  // oldest first; the last is in force
  std::map<std::string, ListReading> fetched_;       // by URL: the last attempt
  RevocationLists lists_;
  std::optional<registration::Installed> installed_;
  registration::Standing standing_;
};

}  // namespace sanad::service
