#pragma once
// What may be a peer. Pure: the request and the interface's settings in, a checked record out. Uniqueness is the ledger's.

#include <vector>

#include "config/config.hpp"
#include "control/service/peers.hpp"

namespace sanad::service {

inline constexpr std::size_t kMaxPersonName = 100;  // bytes
inline constexpr std::size_t kMaxEmail = 254;       // RFC 5321 section 4.5.3.1.3, less the angle brackets
inline constexpr std::size_t kMaxNote = 500;        // bytes
inline constexpr std::size_t kMaxGroups = 16;
inline constexpr std::size_t kMaxSlug = 32;  // characters of a device, handle or group
inline constexpr std::size_t kMaxAllowedIps = 64;

struct RulesContext {
  const config::Interface& interface;
  std::vector<wg::PublicKey> own_keys;  // of all interfaces: none may be a peer
  WallTime now;
};

// Fills everything of the record that does not come from the ledger; allowed_ips stays empty when they are to be allocated.
// Errors: invalid_argument, `field` in the request's terms.
Result<ledger::PeerRecord> check_new_peer(const NewPeer& input, const RulesContext& context);
// The record after the edit. Errors as above.
Result<ledger::PeerRecord> apply_edit(ledger::PeerRecord record, const PeerEdit& edit, const RulesContext& context);

Result<void> check_person(const std::string& name, const std::string& email, const std::string& handle);
Result<wg::PublicKey> check_public_key(const std::string& text, const RulesContext& context);

}  // namespace sanad::service
