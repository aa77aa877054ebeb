// A new WireGuard key for an interface: made beside the one in use, certified, then taken into use together with its certificate.
//
// Order of durability: the commit (certificate, record, when) comes first, the key's file after it. A kill between the two leaves
// the old key serving and the certificate for the new one installed (a mismatch, said as such): rotate_key() again finishes it.

#include <sys/stat.h>

#include <set>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/peer_evidence.hpp"
#include "control/service/queries.hpp"
#include "control/service/registration_record.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr std::size_t kMaxKeyFile = 4096;
constexpr const char* kMetaRotated = "key_rotated.";  // + interface: wall time in nanoseconds, decimal

std::filesystem::path next_file(const config::Interface& settings) { return settings.private_key.path.string() + ".next"; }

Result<wg::PrivateKey> read_key(const std::filesystem::path& file) {
  auto text = read_secret_file(file, kMaxKeyFile);
  if (!text) return text.error();
  auto key = wg::secret_from_base64(std::string_view(*text).substr(0, text->find('\n')));
  wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  if (!key) return std::move(key).error().within(file.string());
  return key;
}

Result<wg::PrivateKey> make_key(const std::filesystem::path& file) {
  auto key = wg::generate_private_key();
  if (!key) return key;
  std::string text = wg::secret_to_base64(*key) + "\n";
  auto written = write_file_durably(file, text, 0600);
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (!written) return written.error();
  return key;
}

struct Pair {
  wg::PrivateKey key;
  wg::PublicKey public_key;
};

Result<Pair> pair_of(const Result<wg::PrivateKey>& key) {
  if (!key) return key.error();
  auto derived = wg::derive_public_key(*key);
  if (!derived) return derived.error();
  return Pair{*key, *derived};
}

Error no_interface(const std::string& name) { return {Errc::not_found, "no interface " + name + " is configured"}; }

Result<void> may_rotate(const config::Interface& settings) {
  if (!settings.private_key.written.starts_with("credential:")) return {};
  return Error{Errc::unsupported,
               "the key of " + settings.name + " comes from the service manager's credentials",
               {},
               "change it there, with a certificate for the new key, and restart"};
}

std::string digest_of(const wg::PublicKey& key) { return hex_encode(sha256(key.bytes())); }

std::optional<WallTime> rotated_at(ledger::Transaction& txn, const std::string& interface) {
  const auto text = txn.meta(kMetaRotated + interface);
  if (!text || text->empty()) return std::nullopt;
  return WallTime{std::stoll(*text)};
}

// A handshake needs the server's new key: whoever has made one since has the new profile. What the ledger knows of that; a
// session that is open may know better.
Result<RotationStatus> status_in(ledger::Transaction& txn, const std::string& interface, const wg::PublicKey& key) {
  RotationStatus out;
  out.public_key = key;
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

void Registrations::next_key(Caller caller, std::string interface, Done<Changed<RotationStatus>> done) {
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  if (auto may = may_rotate(one->settings()); !may) return done(may.error());
  gateway_.device().post(
      [this, &loop = gateway_.loop(), caller, interface, file = next_file(one->settings()), current = one->public_key(), done] {
        // One that is there already is kept: a request for it may be on its way.
        auto key = read_key(file);
        if (!key && key.error().code == Errc::not_found) key = make_key(file);
        auto made = pair_of(key);
        boost::asio::post(loop, [this, caller, interface, current, made = std::move(made), done] {
          if (!made) return done(made.error());
          gateway_.change<std::uint64_t>(
              [caller, interface, next = made->public_key,
               reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<std::uint64_t> {
                audit::EntityChange change{
                    .verb = audit::EntityVerb::other, .action = "next-key", .type = "interface", .id = interface};
                change.details["next_key_sha256"] = digest_of(next);
                return txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
              },
              [current, next = made->public_key, done](Result<std::uint64_t> evidence) {
                if (!evidence) return done(evidence.error());
                RotationStatus status;
                status.public_key = current;
                status.next_key = next;
                done(Changed<RotationStatus>{std::move(status), *evidence});
              });
        });
      });
}

void Registrations::rotate_key(Caller caller, std::string interface, InstallRegistration input,
                               Done<Changed<RotationStatus>> done) {
  InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  if (one != gateway_.interfaces().front().get())
    return done(Error{Errc::unsupported, "the registration is for " + gateway_.interfaces().front()->settings().name + " alone"});
  if (auto may = may_rotate(one->settings()); !may) return done(may.error());
  gateway_.device().post([this, &loop = gateway_.loop(), caller, interface, input, file = next_file(one->settings()), done] {
    auto next = pair_of(read_key(file));
    boost::asio::post(loop, [this, caller, interface, input, next = std::move(next), done] {
      if (!next && next.error().code == Errc::not_found)
        return done(Error{
            Errc::not_found, "no next key was made for " + interface, {}, "begin with: sanad interface rotate-key " + interface});
      if (!next) return done(next.error());
      take_into_use(caller, interface, input, next->key, next->public_key, done);
    });
  });
}

void Registrations::take_into_use(const Caller& caller, const std::string& interface, const InstallRegistration& input,
                                  const wg::PrivateKey& key, const wg::PublicKey& public_key,
                                  const Done<Changed<RotationStatus>>& done) {
  auto verified = gateway_.registration().check(input.certificate_pem, public_key);
  if (!verified) {
    Error error = verified.error();
    error.field = "certificate_pem";
    return done(error);
  }
  if (!input.despite_differences) {
    for (const auto& finding : gateway_.registration().mismatches(verified->certificate.claims, public_key)) {
      return done(Error{Errc::refused_by_policy, "the certificate does not match this gateway: " + finding.detail,
                        "certificate_pem", "--despite-differences installs it all the same"});
    }
  }
  struct Stored {
    std::vector<ledger::RegistrationRecord> history;
    RotationStatus status;
    std::uint64_t evidence = 0;
  };
  const std::string fingerprint = hex_encode(verified->certificate.fingerprint);
  gateway_.change<Stored>(
      [caller, interface, input, fingerprint, public_key, before = gateway_.interface(interface)->public_key(),
       reporter = gateway_.reporter()](ledger::Transaction& txn) -> Result<Stored> {
        audit::EntityChange change{
            .verb = audit::EntityVerb::update, .action = "rotate-key", .type = "interface", .id = interface};
        change.before = sha256(before.bytes());
        change.after = sha256(public_key.bytes());
        change.details["certificate_sha256"] = fingerprint;
        const auto record = record_of(input, fingerprint, txn);
        auto index = txn.append(audit::entity_management(reporter, txn.now().wall, audit_actor(caller), std::move(change)));
        if (!index) return index.error();
        txn.put_registration(record);
        txn.set_meta(kMetaRotated + interface, std::to_string(txn.now().wall.ns));
        // The next profile of each has the next sequence number, so that the old one is refused as old.
        for (auto& peer : txn.peers_of_device(interface)) {
          if (peer.revoked) continue;
          if (auto bumped = txn.update_peer(peer); !bumped) return bumped.error();
        }
        auto status = status_in(txn, interface, public_key);
        if (!status) return status.error();
        return Stored{txn.registration_history(), *std::move(status), *index};
      },
      [this, interface, key, public_key, pem = input.certificate_pem, done](Result<Stored> stored) {
        if (!stored) return done(stored.error());
        InterfaceLoop* one = gateway_.interface(interface);
        if (one == nullptr) return done(no_interface(interface));
        gateway_.registration().set_history(std::move(stored->history));
        gateway_.change_key(*one, key, public_key);
        gateway_.judge_registration();
        gateway_.device().post([from = next_file(one->settings()), to = one->settings().private_key.path, pem,
                                certificate = gateway_.config().registration.certificate] {
          if (::rename(from.c_str(), to.c_str()) != 0)
            log::error("the new key is in use and still in {}: {}", from.string(),
                       from_errno(errno, "couldn't rename it").message);
          if (auto synced = fsync_directory(to.parent_path()); !synced) log::warn("{}", synced.error().message);
          if (auto written = write_file_durably(certificate, pem, 0644); !written) log::warn("{}", written.error().message);
        });
        done(Changed<RotationStatus>{std::move(stored->status), stored->evidence});
      });
}

void Registrations::rotation(std::string interface, Done<RotationStatus> done) {
  const InterfaceLoop* one = gateway_.interface(interface);
  if (one == nullptr) return done(no_interface(interface));
  gateway_.device().post([this, &loop = gateway_.loop(), interface, file = next_file(one->settings()),
                          current = one->public_key(), done] {
    auto next = pair_of(read_key(file));
    boost::asio::post(loop, [this, interface, current, next = std::move(next), done] {
      gateway_.ask<RotationStatus>([interface, current](ledger::Transaction& txn) { return status_in(txn, interface, current); },
                                   [this, interface, next, done](Result<RotationStatus> status) {
                                     const InterfaceLoop* running = gateway_.interface(interface);
                                     if (status && status->rotated && running != nullptr) {
                                       std::erase_if(status->waiting, [&](const ledger::PeerRecord& peer) {
                                         const auto live = running->live(peer.public_key);
                                         return live && live->last_handshake > *status->rotated;
                                       });
                                     }
                                     if (status && next) status->next_key = next->public_key;
                                     done(std::move(status));
                                   });
    });
  });
}

}  // namespace sanad::service
