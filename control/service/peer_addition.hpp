#pragma once
// A peer on its way into the ledger: what `peer add` and each line of an import have in common.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "control/audit/ocsf.hpp"
#include "control/ledger/transaction.hpp"
#include "control/service/peers.hpp"

namespace sanad::service {

// What a job on one peer found and left.
struct Stored {
  ledger::PeerRecord peer;
  std::optional<ledger::PeerRecord> before;
  std::optional<WallTime> last_session_at;
  std::uint64_t evidence = 0;
  bool replayed = false;
};

// What the jobs of one request share.
struct AddContext {
  Caller caller;
  config::Interface interface;
  std::vector<config::Interface> others;          // where room is looked for when that one is full and nobody named it
  std::map<std::string, std::size_t> most_peers;  // that the device of each interface holds
  std::vector<wg::PublicKey> own_keys;            // of the gateway's interfaces
  audit::Reporter reporter;
};

// Loop thread. The interface that a new peer belongs to: the one that was named; the one whose network has its address; else the
// first, which is said by "".
std::string place_for(Gateway& gateway, const NewPeer& input);

// Loop thread. `interface` empty: the first one. Errors: invalid_argument (no such interface).
Result<std::shared_ptr<const AddContext>> add_context(Gateway& gateway, const Caller& caller, const std::string& interface);

// A creation as the storage thread does it: owner, addresses, row, leaf and remembered answer, in one transaction.
// Errors: not_found (owner), exhausted (pool, device), conflict (key, name, allowed IP, an address at rest).
struct AddJob {
  std::shared_ptr<const AddContext> context;
  NewPeer input;
  ledger::PeerRecord record;

  Result<Stored> operator()(ledger::Transaction& txn) const;
};

// Any thread. Checks what can be checked without the ledger; makes the pre-shared key if one is to be made.
// Errors: invalid_argument, with the field.
Result<AddJob> prepare_add(std::shared_ptr<const AddContext> context, NewPeer input);

// conflict, with the field: one of them was a deleted peer's until lately.
Result<void> check_quarantine(ledger::Transaction& txn, const config::Interface& interface,
                              const std::vector<IpPrefix>& allowed_ips);

// Loop thread: with whether the peer is connected now.
PeerView view_of(const Gateway& gateway, ledger::PeerRecord peer, std::optional<WallTime> last_session_at);

}  // namespace sanad::service
