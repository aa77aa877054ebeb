#pragma once
// The use cases with memory instead of a ledger. Defines service::Gateway and the functions of its façades, so what links this
// does not link sanad_service.

#include <map>
#include <string>
#include <vector>

#include "control/service/custody.hpp"
#include "control/service/peers.hpp"
#include "control/service/queries.hpp"

namespace sanad::service {

class Gateway {
 public:
  struct Access {
    uid_t uid;
    std::string operation;
    std::string target;
    bool operator==(const Access&) const = default;
  };

  std::vector<PeerView> peers;
  std::vector<LeafView> leaves;
  std::vector<Access> reads;
  std::vector<Access> refusals;
  std::vector<NewPeer> added;
  std::vector<std::string> changes;  // "disable p-1"
  std::vector<Caller> callers;       // of changes
  std::map<std::uint64_t, std::function<void()>> followers;
  std::uint64_t next_follower = 1;
  bool fail_second_page = false;
  bool writable = true;

  void commit(std::string leaf) {
    leaves.push_back({leaves.size(), std::move(leaf), {{"user.name", "\"Ayesha\"", "c2FsdA"}}});
    const auto woken = followers;
    for (const auto& [id, wake] : woken) wake();
  }
};

PeerView make_peer(int number);

}  // namespace sanad::service
