#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }
IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }

PoolRequest pool(std::string_view text, std::chrono::nanoseconds quarantine = std::chrono::hours{1}) {
  return {"wg0", prefix(text), {}, quarantine};
}

TEST_F(LedgerTest, AnOwnerIsFoundByEmailOrHandleOrMadeWithAHandleOfItsOwn) {
  must([](Transaction& tx) {
    const auto ayesha = tx.find_or_create_owner("Ayesha Khan", "ayesha@example.com", "").value();
    EXPECT_EQ(ayesha.handle, "ayesha-khan");
    EXPECT_EQ(tx.find_or_create_owner("A. Khan", "AYESHA@example.com", "").value(), ayesha);
    EXPECT_EQ(tx.find_or_create_owner("", "", "ayesha-khan").value(), ayesha);
    EXPECT_EQ(tx.find_or_create_owner("Ayesha Khan", "other@example.com", "").value().handle, "ayesha-khan-2");
    EXPECT_EQ(tx.find_or_create_owner("ayesha  KHAN!", "third@example.com", "").value().handle, "ayesha-khan-3");
    EXPECT_EQ(tx.find_or_create_owner("X", "x@example.com", "ayesha-khan").error().code, Errc::conflict);
    EXPECT_EQ(tx.find_or_create_owner("عائشہ", "y@example.com", "").value().handle, "peer");
    const auto plain = tx.find_or_create_owner("Printer", "", "").value();
    EXPECT_EQ(tx.find_or_create_owner("Printer", "", "").value(), plain);

    auto renamed = ayesha;
    renamed.name = "Ayesha Ahmed";
    EXPECT_TRUE(tx.update_owner(renamed));
    EXPECT_EQ(tx.find_owner(ayesha.id)->name, "Ayesha Ahmed");
    renamed.email = "other@example.com";
    EXPECT_EQ(tx.update_owner(renamed).error().field, "owner.email");
  });
}

TEST_F(LedgerTest, APeerComesBackAsItWasStored) {
  must([](Transaction& tx) {
    PeerRecord peer;
    peer.interface = "wg0";
    peer.owner = tx.find_or_create_owner("Ayesha Khan", "ayesha@example.com", "").value();
    peer.device = "Laptop";
    peer.public_key = key_number(1);
    peer.preshared_key = wg::PresharedKey(key_number(2).bytes());
    peer.allowed_ips = {prefix("10.66.0.2/32"), prefix("fd66::2/128")};
    peer.keepalive_s = 25;
    peer.not_before = WallTime{5};
    peer.expires_at = WallTime{6'000'000'000'000'000'000};
    peer.groups = {"staff", "ops team"};
    peer.note = "blue case";
    const auto stored = tx.insert_peer(peer).value();
    EXPECT_EQ(stored.id.size(), 15U);
    const auto read = tx.find_peer(stored.id).value();
    EXPECT_EQ(read.name(), "ayesha-khan/Laptop");
    EXPECT_EQ(read.public_key, peer.public_key);
    EXPECT_EQ(read.preshared_key, peer.preshared_key);
    EXPECT_EQ(read.allowed_ips, peer.allowed_ips);
    EXPECT_EQ(read.keepalive_s, 25);
    EXPECT_EQ(read.not_before, peer.not_before);
    EXPECT_EQ(read.expires_at, peer.expires_at);
    EXPECT_EQ(read.groups, peer.groups);
    EXPECT_EQ(read.note, "blue case");
    EXPECT_EQ(read.created, tx.now().wall);
    EXPECT_EQ(read.version, 1U);
    EXPECT_FALSE(read.revoked);
    EXPECT_EQ(tx.find_peer_by_name("ayesha-khan/laptop")->id, stored.id);
    EXPECT_EQ(tx.find_peer_by_key(key_number(1))->id, stored.id);
    EXPECT_FALSE(tx.find_peer_by_key(key_number(9)));
    EXPECT_FALSE(tx.find_peer_by_name("ayesha-khan"));
  });
}

TEST_F(LedgerTest, CollisionsNameTheField) {
  must([](Transaction& tx) {
    const auto first = add_peer(tx, 1, {prefix("10.66.0.0/24")}).value();
    auto other = first;
    other.id.clear();
    EXPECT_EQ(tx.insert_peer(other).error().field, "public_key");
    other.public_key = key_number(2);
    other.device = "LAPTOP";
    EXPECT_EQ(tx.insert_peer(other).error().field, "device");
    other.device = "phone";
    other.allowed_ips = {prefix("10.66.1.0/24"), prefix("10.66.0.7/32")};
    EXPECT_EQ(tx.insert_peer(other).error().field, "allowed_ips[1]");
    other.allowed_ips = {prefix("10.0.0.0/8")};
    EXPECT_EQ(tx.insert_peer(other).error().field, "allowed_ips[0]");
    other.allowed_ips = {prefix("10.67.0.0/24"), prefix("10.67.0.0/25")};
    EXPECT_EQ(tx.insert_peer(other).error().field, "allowed_ips[1]");
    other.owner.id = "o-none";
    EXPECT_EQ(tx.insert_peer(other).error().code, Errc::not_found);
    other.owner = first.owner;
    other.interface = "wg1";  // another interface is another table of addresses
    other.allowed_ips = {prefix("10.66.0.7/32")};
    EXPECT_TRUE(tx.insert_peer(other));
    EXPECT_EQ(tx.overlapping("wg0", prefix("10.66.0.128/25"))->id, first.id);
    EXPECT_FALSE(tx.overlapping("wg0", prefix("10.66.1.0/24")));
    EXPECT_FALSE(tx.overlapping("wg0", prefix("fd66::/64")));
  });
}

TEST_F(LedgerTest, AnUpdateMovesAddressesAndCountsVersions) {
  must([](Transaction& tx) {
    auto peer = add_peer(tx, 1, {prefix("10.66.0.2/32"), prefix("10.66.0.3/32")}).value();
    const auto other = add_peer(tx, 2, {prefix("10.66.0.9/32")}).value();
    peer.allowed_ips = {prefix("10.66.0.3/32"), prefix("10.66.0.4/32")};
    peer.device = "desktop";
    peer.enabled = false;
    peer = tx.update_peer(peer).value();
    EXPECT_EQ(peer.version, 2U);
    EXPECT_TRUE(tx.in_quarantine("wg0", prefix("10.66.0.2/32"), std::chrono::hours{1}));
    EXPECT_FALSE(tx.in_quarantine("wg0", prefix("10.66.0.3/32"), std::chrono::hours{1}));
    auto bad = peer;
    bad.allowed_ips = {prefix("10.66.0.0/29"), prefix("10.66.0.9/32")};
    EXPECT_EQ(tx.update_peer(bad).error().field, "allowed_ips[1]");
    EXPECT_EQ(tx.find_peer(peer.id)->allowed_ips, peer.allowed_ips);
    bad = peer;
    bad.public_key = other.public_key;
    EXPECT_EQ(tx.update_peer(bad).error().field, "public_key");
    // A peer may widen what it has.
    peer.allowed_ips = {prefix("10.66.0.0/29")};
    EXPECT_EQ(tx.update_peer(peer).value().version, 3U);
    peer.id = "p-none";
    EXPECT_EQ(tx.update_peer(peer).error().code, Errc::not_found);
  });
  check_ledger(database());
}

TEST_F(LedgerTest, ARevokedPeerFreesItsNameAndRestsItsAddresses) {
  must([](Transaction& tx) {
    auto peer = add_peer(tx, 1, {prefix("10.66.0.2/32")}).value();
    EXPECT_TRUE(tx.mark_on_device(peer.id, true));
    const auto revoked = tx.revoke_peer(peer.id).value();
    EXPECT_EQ(state_of(revoked, tx.now().wall), PeerState::revoked);
    EXPECT_EQ(revoked.version, 2U);
    EXPECT_EQ(tx.revoke_peer(peer.id).error().code, Errc::conflict);
    EXPECT_EQ(tx.update_peer(peer).error().code, Errc::conflict);
    EXPECT_FALSE(tx.find_peer_by_name("owner-1/laptop"));
    // The device may still have it: its key is taken, and it is on the list of what the device may hold.
    EXPECT_EQ(tx.find_peer_by_key(key_number(1))->id, peer.id);
    EXPECT_EQ(add_peer(tx, 1).error().field, "public_key");
    EXPECT_EQ(tx.peers_of_device("wg0").size(), 1U);
    EXPECT_TRUE(tx.mark_on_device(peer.id, false));
    EXPECT_TRUE(tx.peers_of_device("wg0").empty());
    EXPECT_TRUE(add_peer(tx, 1));
    EXPECT_EQ(tx.allocate(pool("10.66.0.0/24")).value(), address("10.66.0.1"));
  });
}

TEST_F(LedgerTest, PagesFollowOneAnotherWithoutHolesWhileFilteringAndMatching) {
  must([](Transaction& tx) {
    for (std::uint64_t n = 0; n < 25; ++n) {
      auto peer = add_peer(tx, n).value();
      if (n % 5 == 0) {
        peer.enabled = false;
        tx.update_peer(peer).value();
      }
    }
    std::vector<std::string> names;
    std::string cursor;
    do {
      const auto page = tx.peers({}, cursor, 10).value();
      for (const auto& peer : page.peers) names.push_back(peer.name());
      cursor = page.next;
    } while (!cursor.empty());
    ASSERT_EQ(names.size(), 25U);
    EXPECT_EQ(names[24], "owner-24/laptop");
    EXPECT_TRUE(tx.peers({}, "", 25).value().next.empty());

    const auto count = [&tx](PeerFilter filter) { return tx.peers(filter, "", 1000).value().peers.size(); };
    PeerFilter filter;
    filter.now = tx.now().wall;
    filter.state = PeerState::disabled;
    EXPECT_EQ(count(filter), 5U);
    filter.state = PeerState::active;
    EXPECT_EQ(count(filter), 20U);
    filter.state = PeerState::revoked;
    EXPECT_EQ(count(filter), 0U);
    filter.state.reset();
    filter.match = "OWNER-1";
    EXPECT_EQ(count(filter), 11U);  // owner-1, owner-10 ... owner-19
    filter.match = "owner 2";
    EXPECT_EQ(count(filter), 6U);
    filter.match = "owner7@";
    EXPECT_EQ(count(filter), 1U);
    filter.match = key_number(3).to_base64().substr(0, 5);
    EXPECT_EQ(count(filter), 1U);
    filter.match = "owner_7";  // no pattern, just text
    EXPECT_EQ(count(filter), 0U);
    filter.match = tx.find_peer_by_name("owner-3/laptop")->id;
    EXPECT_EQ(count(filter), 1U);
    filter.match.clear();
    filter.owner_id = tx.find_peer_by_name("owner-3/laptop")->owner.id;
    EXPECT_EQ(count(filter), 1U);
    filter.interface = "wg9";
    EXPECT_EQ(count(filter), 0U);

    EXPECT_EQ(tx.peers({}, "x", 10).error().field, "cursor");
    EXPECT_EQ(tx.peers({}, "-1", 10).error().field, "cursor");
    EXPECT_EQ(tx.peers({}, "", 0).error().field, "limit");
    EXPECT_EQ(tx.peers({}, "", 1001).error().field, "limit");
    EXPECT_EQ(tx.peer_counts(tx.now().wall).total, 25U);
    EXPECT_EQ(tx.peer_counts(tx.now().wall).enabled, 20U);
  });
}

TEST_F(LedgerTest, CountsOfPeersFollowEveryChange) {
  const auto counts = [](Transaction& tx) {
    const auto found = tx.peer_counts(tx.now().wall);
    return std::pair{found.total, found.enabled};
  };
  const std::pair<std::uint64_t, std::uint64_t> none{0, 0}, three{3, 3}, mixed{2, 1};
  std::vector<PeerRecord> peers;
  must([&](Transaction& tx) {
    EXPECT_EQ(counts(tx), none);
    for (std::uint64_t n = 1; n <= 3; ++n)
      peers.push_back(add_peer(tx, n, {IpPrefix::parse("10.66.0." + std::to_string(n) + "/32").value()}).value());
    EXPECT_EQ(counts(tx), three);
  });
  // What is undone was never counted.
  (void)change<void>(ledger(), [&](Transaction& tx) -> Result<void> {
    EXPECT_TRUE(tx.revoke_peer(peers[0].id));
    return Error{Errc::conflict, "no"};
  });
  must([&](Transaction& tx) {
    EXPECT_EQ(counts(tx), three);
    EXPECT_TRUE(tx.revoke_peer(peers[0].id));
    auto off = peers[1];
    off.enabled = false;
    EXPECT_TRUE(tx.update_peer(off));
    EXPECT_EQ(counts(tx), mixed);
    EXPECT_EQ(tx.peers_on(off.interface), 2U);
    EXPECT_EQ(tx.peers_on("wg9"), 0U);
  });
  // Nor is what a query did, which may not write.
  (void)ask<void>(ledger(), [&](Transaction& tx) -> Result<void> {
    EXPECT_TRUE(tx.revoke_peer(peers[2].id));
    return {};
  });
  must([&](Transaction& tx) { EXPECT_EQ(counts(tx), mixed); });
  reopen();
  must([&](Transaction& tx) { EXPECT_EQ(counts(tx), mixed) << "counted anew"; });
}

TEST_F(LedgerTest, KnowsWhoseTimeHasCome) {
  must([](Transaction& tx) {
    const WallTime t = WallTime::from_ms(1'000'000);
    auto expiring = add_peer(tx, 1).value();
    expiring.expires_at = t;
    tx.update_peer(expiring).value();
    EXPECT_TRUE(tx.mark_on_device(expiring.id, true));
    auto beginning = add_peer(tx, 2).value();
    beginning.not_before = t + std::chrono::seconds{5};
    tx.update_peer(beginning).value();

    const WallTime before = t - std::chrono::nanoseconds{1};
    EXPECT_TRUE(tx.due_peers(before).expired.empty());
    EXPECT_EQ(tx.due_peers(before).next, t);
    ASSERT_EQ(tx.due_peers(t).expired.size(), 1U);
    EXPECT_TRUE(tx.due_peers(t).begun.empty());
    EXPECT_EQ(tx.due_peers(t).next, t + std::chrono::seconds{5});
    ASSERT_EQ(tx.due_peers(t + std::chrono::seconds{5}).begun.size(), 1U);
    EXPECT_FALSE(tx.due_peers(t + std::chrono::seconds{5}).next);
    EXPECT_TRUE(tx.mark_on_device(expiring.id, false));
    EXPECT_TRUE(tx.due_peers(t).expired.empty());

    EXPECT_EQ(state_of(*tx.find_peer(expiring.id), before), PeerState::active);
    EXPECT_EQ(state_of(*tx.find_peer(expiring.id), t), PeerState::expired);
    EXPECT_EQ(state_of(*tx.find_peer(beginning.id), t), PeerState::pending);
  });
}

TEST_F(LedgerTest, AddressesComeLowestFirstAndRest) {
  must([](Transaction& tx) {
    const auto request = [] {
      auto value = pool("10.66.0.0/29");  // .1 to .6
      value.reserved = {address("10.66.0.1")};
      return value;
    }();
    std::vector<PeerRecord> peers;
    for (std::uint64_t n = 2; n <= 6; ++n) {
      const auto free = tx.allocate(request).value();
      EXPECT_EQ(free, address("10.66.0." + std::to_string(n)));
      EXPECT_EQ(tx.allocate(request).value(), free) << "not taken before a peer has it";
      peers.push_back(add_peer(tx, n, {IpPrefix::host(free)}).value());
    }
    EXPECT_EQ(tx.allocate(request).error().code, Errc::exhausted);
    tx.revoke_peer(peers[1].id).value();
    EXPECT_EQ(tx.allocate(request).error().code, Errc::exhausted) << "in quarantine";
    auto at_once = request;
    at_once.quarantine = std::chrono::nanoseconds{0};
    EXPECT_EQ(tx.allocate(at_once).value(), address("10.66.0.3"));
    EXPECT_EQ(tx.allocate(request).error().code, Errc::exhausted);
  });
  reopen();
  must([](Transaction& tx) {
    EXPECT_EQ(tx.allocate(pool("10.66.0.0/29")).value(), address("10.66.0.1"));
    EXPECT_EQ(tx.allocate(pool("10.66.0.2/31")).error().code, Errc::exhausted);  // .2 claimed, .3 resting
    auto soon = pool("10.66.0.2/31", std::chrono::nanoseconds{1});
    EXPECT_EQ(tx.allocate(soon).value(), address("10.66.0.3"));
    // A wide claim is stepped over whole; IPv6 pools begin after the subnet-router anycast address.
    add_peer(tx, 20, {prefix("fd66::/65")}).value();
    EXPECT_EQ(tx.allocate(pool("fd66::/64")).value(), address("fd66::8000:0:0:0"));
    EXPECT_EQ(tx.allocate(pool("fd67::/64")).value(), address("fd67::1"));
    EXPECT_EQ(tx.allocate(pool("10.70.0.5/32")).value(), address("10.70.0.5"));
  });
}

TEST_F(LedgerTest, AnAllocationOutOfAnUndoneJobIsForgotten) {
  const auto undone = change<void>(ledger(), [](Transaction& tx) -> Result<void> {
    for (std::uint64_t n = 0; n < 3; ++n) add_peer(tx, n, {IpPrefix::host(tx.allocate(pool("10.66.0.0/24")).value())}).value();
    EXPECT_EQ(tx.allocate(pool("10.66.0.0/24")).value(), address("10.66.0.4"));
    return Error{Errc::conflict, "undo"};
  });
  EXPECT_FALSE(undone);
  must([](Transaction& tx) {
    EXPECT_EQ(tx.allocate(pool("10.66.0.0/24")).value(), address("10.66.0.1"));
    // The same within one job.
    const auto part = tx.atomically([&tx]() -> Result<void> {
      add_peer(tx, 1, {IpPrefix::host(tx.allocate(pool("10.66.0.0/24")).value())}).value();
      tx.append(audit::own_event({}, tx.now().wall, "test", {})).value();
      EXPECT_EQ(tx.allocate(pool("10.66.0.0/24")).value(), address("10.66.0.2"));
      return Error{Errc::conflict, "undo"};
    });
    EXPECT_FALSE(part);
    EXPECT_EQ(tx.next_index(), 0U);
    EXPECT_EQ(tx.allocate(pool("10.66.0.0/24")).value(), address("10.66.0.1"));
    EXPECT_EQ(tx.peer_counts(tx.now().wall).total, 0U);
  });
}

}  // namespace
}  // namespace sanad::ledger
