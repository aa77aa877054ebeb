// A new WireGuard key for an interface: made beside the one in use, certified where the registration names it, then taken into
// use together with its certificate. interface_keys.hpp says what is durable when.

#include <set>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/interface_keys.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/queries.hpp"
#include "control/service/registration_record.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr const char* kMetaRotated = "key_rotated.";  // + interface: wall time in nanoseconds, decimal

Error no_interface(const std::string& name) { return {Errc::not_found, "no interface " + name + " is configured"}; }

Result<void> may_rotate(const config::Interface& settings) {
  if (!settings.private_key.written.starts_with("credential:")) return {};
  return Error{Errc::unsupported,
               "the key of " + settings.name + " comes from the service manager's credentials (" + settings.private_key.written +
                   "), which only it can change",
               {},
               "make a key (wg genkey), have its certificate issued, put both where LoadCredential= of the unit and "
               "registration.certificate find them, then restart sanadd and write new profiles: sanad peer profile"};
}

// One certificate names one key: the first interface's. A further one changes its key without asking anybody.
Result<void> check_certificate_given(const Gateway& gateway, const std::string& interface, bool given) {
  const std::string& first = gateway.interfaces().front()->settings().name;
  if (interface == first && !given)
    return Error{Errc::invalid_argument, "the registration names the key of " + first + ": the new key needs its certificate",
                 "certificate_pem",
                 "sanad interface rotate-key " + first + " writes the request for it; then --certificate CERT"};
  if (interface != first && given)
    return Error{
        Errc::invalid_argument,
        "the registration names the key of " + first + ", not of " + interface + ": no certificate belongs to its change",
        "certificate_pem", "sanad interface rotate-key " + interface + " --now"};
  return {};
}

std::optional<WallTime> rotated_at(ledger::Transaction& txn, const std::string& interface) {
  const auto text = txn.meta(kMetaRotated + interface);
  if (!text || text->empty()) return std::nullopt;
  return WallTime{std::stoll(*text)};
}

// A handshake needs the server's new key: whoever has made one since has the new profile. What the ledger knows of that; a
// session that is open may know better.
Result<RotationStatus> status_in(ledger::Transaction& txn, const std::string& interface, RotationStatus out) {
  out.rotated = rotated_at(txn, interface);
  if (!out.rotated) return out;
  std::set<wg::PublicKey> followed;
  for (const auto& baseline : txn.baselines(interface)) {
    if (baseline.handshake.wall() > *out.rotated) followed.insert(baseline.peer);
  }
  for (auto& peer : txn.peers_of_device(interface)) {
    if (peer.revoked || peer.created >= *out.rotated) continue;
    ++out.peers;
    const auto last = txn.last_session_at(peer.id);
    const bool connected = followed.contains(peer.public_key) || (last && *last > *out.rotated);
    if (!connected) out.waiting.push_back(std::move(peer));
  }
  return out;
}

}  // namespace

RotationStatus Registrations::about(const InterfaceLoop& one) const {
  RotationStatus out;
  out.public_key = one.public_key();
  out.registered = &one == gateway_.interfaces().front().get();
  return out;
}

void Registrations::next_key(Caller caller, std::string interface, Done<Changed<RotationStatus>> done) {
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  if (auto may = may_rotate(one->settings()); !may) return done(may.error());
  gateway_.device().post(
      [this, &loop = gateway_.loop(), caller, interface, files = key_files(one->settings()), status = about(*one), done] {
        // One that is there already is kept: a request for it may be on its way.
        auto made = make_next_key(files, status.public_key);
        boost::asio::post(loop, [this, caller, interface, status, made = std::move(made), done]() mutable {
          if (!made) return done(made.error());
          status.next_key = made->public_key;
          gateway_.change<std::uint64_t>(
              [caller, interface, next = made->public_key,
               reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<std::uint64_t> {
                audit::EntityChange change{
                    .verb = audit::EntityVerb::other, .action = "next-key", .type = "interface", .id = interface};
                change.details["next_key_sha256"] = digest_of(next);
                return txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
              },
              [status, done](Result<std::uint64_t> evidence) {
                if (!evidence) return done(evidence.error());
                done(Changed<RotationStatus>{status, *evidence});
              });
        });
      });
}

void Registrations::rotate_key(Caller caller, std::string interface, InstallRegistration input,
                               Done<Changed<RotationStatus>> done) {
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  if (auto may = may_rotate(one->settings()); !may) return done(may.error());
  if (auto ok = check_certificate_given(gateway_, interface, !input.certificate_pem.empty()); !ok) return done(ok.error());
  gateway_.device().post([this, &loop = gateway_.loop(), caller, interface, input, files = key_files(one->settings()),
                          in_use = one->public_key(), done] {
    auto next = service::next_key(files, in_use);
    boost::asio::post(loop, [this, caller, interface, input, next = std::move(next), done] {
      if (next) return take_into_use(caller, interface, input, *next, done);
      if (next.error().code != Errc::not_found) return done(next.error());
      const auto& history = gateway_.registration().history();
      if (!input.certificate_pem.empty() && !history.empty() && history.back().certificate_pem == input.certificate_pem)
        return answer_again(interface, history.back().from_index, done);
      done(Error{
          Errc::not_found, "no next key was made for " + interface, {}, "begin with: sanad interface rotate-key " + interface});
    });
  });
}

// The certificate is in force and its key in use: the same command came again, after an answer that was lost.
void Registrations::answer_again(const std::string& interface, std::uint64_t evidence,
                                 const Done<Changed<RotationStatus>>& done) {
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  gateway_.ask<RotationStatus>(
      [interface, status = about(*one)](ledger::Transaction& txn) { return status_in(txn, interface, status); },
      [evidence, done](Result<RotationStatus> status) {
        if (!status) return done(status.error());
        done(Changed<RotationStatus>{*std::move(status), evidence});
      });
}

void Registrations::take_into_use(const Caller& caller, const std::string& interface, const InstallRegistration& input,
                                  const InterfaceKey& next, const Done<Changed<RotationStatus>>& done) {
  std::string fingerprint;
  if (!input.certificate_pem.empty()) {
    auto checked = check_next(input, next.public_key);
    if (!checked) return done(checked.error());
    fingerprint = *checked;
  }
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  struct Stored {
    std::vector<ledger::RegistrationRecord> history;
    RotationStatus status;
    std::uint64_t evidence = 0;
  };
  RotationStatus after = about(*one);
  after.public_key = next.public_key;
  gateway_.change<Stored>(
      [caller, interface, input, fingerprint, after, before = one->public_key(),
       reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<Stored> {
        audit::EntityChange change{
            .verb = audit::EntityVerb::update, .action = "rotate-key", .type = "interface", .id = interface};
        change.before = sha256(before.bytes());
        change.after = sha256(after.public_key.bytes());
        if (!fingerprint.empty()) change.details["certificate_sha256"] = fingerprint;
        const auto record = record_of(input, fingerprint, txn);
        auto index = txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
        if (!index) return index.error();
        if (!fingerprint.empty()) txn.put_registration(record);
        txn.set_meta(kMetaRotated + interface, std::to_string(txn.now().wall.ns));
        txn.set_meta(kMetaKeyInUsePrefix + interface, digest_of(after.public_key));
        // The next profile of each has the next sequence number, so that the old one is refused as old.
        for (auto& peer : txn.peers_of_device(interface)) {
          if (peer.revoked) continue;
          if (auto bumped = txn.update_peer(peer); !bumped) return bumped.error();
        }
        auto status = status_in(txn, interface, after);
        if (!status) return status.error();
        return Stored{txn.registration_history(), *std::move(status), *index};
      },
      [this, interface, next, pem = input.certificate_pem, done](Result<Stored> stored) {
        if (!stored) return done(stored.error());
        InterfaceLoop* changed = gateway_.interface(interface);
        if (changed == nullptr) return done(no_interface(interface));
        gateway_.registration().set_history(std::move(stored->history));
        gateway_.change_key(*changed, next.key, next.public_key);
        gateway_.judge_registration();
        gateway_.device().post(
            [files = key_files(changed->settings()), pem, certificate = gateway_.config().registration.certificate] {
              put_in_place(files);
              if (pem.empty()) return;
              if (auto written = write_file_durably(certificate, pem, 0644); !written) log::warn("{}", written.error().message);
            });
        done(Changed<RotationStatus>{std::move(stored->status), stored->evidence});
      });
}

// The certificate's fingerprint, hex, if it can be taken into use with this key.
Result<std::string> Registrations::check_next(const InstallRegistration& input, const wg::PublicKey& next) const {
  auto verified = gateway_.registration().check(input.certificate_pem, next);
  if (!verified) return about_certificate(verified.error());
  if (!input.despite_differences) {
    if (auto in_date = check_in_date(*verified, now().wall); !in_date) return in_date.error();
    for (const auto& finding : gateway_.registration().mismatches(verified->certificate.claims, next)) {
      return Error{Errc::refused_by_policy, "the certificate does not match this gateway: " + finding.detail,
                   "certificate_pem.facts", "--despite-differences installs it all the same"};
    }
  }
  return hex_encode(verified->certificate.fingerprint);
}

void Registrations::rotation(std::string interface, Done<RotationStatus> done) {
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  gateway_.device().post([this, &loop = gateway_.loop(), interface, files = key_files(one->settings()), status = about(*one),
                          done] {
    auto next = service::next_key(files, status.public_key);
    boost::asio::post(loop, [this, interface, status, next = std::move(next), done] {
      gateway_.ask<RotationStatus>([interface, status](ledger::Transaction& txn) { return status_in(txn, interface, status); },
                                   [this, interface, next, done](Result<RotationStatus> found) {
                                     const InterfaceLoop* running = gateway_.interface(interface);
                                     if (found && found->rotated && running != nullptr) {
                                       std::erase_if(found->waiting, [&](const ledger::PeerRecord& peer) {
                                         const auto live = running->live(peer.public_key);
                                         return live && live->last_handshake > *found->rotated;
                                       });
                                     }
                                     if (found && next) found->next_key = next->public_key;
                                     done(std::move(found));
                                   });
    });
  });
}

}  // namespace sanad::service
