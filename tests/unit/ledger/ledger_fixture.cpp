#include "tests/unit/ledger/ledger_fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <stdlib.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <sstream>

#include "control/audit/canonical.hpp"
#include "control/ledger/text_lists.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::ledger {

namespace json = boost::json;

TempDirectory::TempDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sanad-ledger-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("couldn't make a temporary directory");
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

wg::PublicKey key_number(std::uint64_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(0x5A);
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(n >> (8 * i));
  return wg::PublicKey(bytes);
}

Result<PeerRecord> add_peer(Transaction& tx, std::uint64_t n, std::vector<IpPrefix> allowed_ips) {
  const std::string number = std::to_string(n);
  auto owner = tx.find_or_create_owner("Owner " + number, "owner" + number + "@example.com", {});
  if (!owner) return std::move(owner).error();
  PeerRecord peer;
  peer.interface = "wg0";
  peer.owner = *owner;
  peer.device = "laptop";
  peer.public_key = key_number(n);
  peer.allowed_ips = std::move(allowed_ips);
  return tx.insert_peer(std::move(peer));
}

audit::EventDraft peer_event(const PeerRecord& peer, audit::EntityVerb verb) {
  audit::EntityChange change;
  change.verb = verb;
  change.action = "change";
  change.type = "peer";
  change.id = peer.id;
  change.personal = {{"entity.name", json::value(peer.name()), peer.owner.id},
                     {"user.email_addr", json::value(peer.owner.email), peer.owner.id}};
  return audit::entity_management({"test-1", {}, {}, {}}, now().wall, std::nullopt, std::move(change));
}

namespace {

void check_leaves(SQLite::Database& db, std::map<std::string, std::uint64_t>& changes_by_entity) {
  std::vector<std::pair<std::int64_t, std::string>> leaves;
  SQLite::Statement rows_of_leaves(db, "SELECT first_leaf, leaves, text FROM outbox ORDER BY first_leaf");
  while (rows_of_leaves.executeStep()) {
    std::istringstream text(rows_of_leaves.getColumn(2).getString());
    std::int64_t index = rows_of_leaves.getColumn(0).getInt64();
    const std::int64_t end = index + rows_of_leaves.getColumn(1).getInt64();
    for (std::string line; std::getline(text, line); ++index) leaves.emplace_back(index, line);
    ASSERT_EQ(index, end);
  }
  // Those below may be gone once the signed log covers them.
  std::int64_t expected = db.execAndGet("SELECT ifnull(min(first_leaf), 0) FROM outbox").getInt64();
  ASSERT_LE(expected, db.execAndGet("SELECT ifnull(max(size), 0) FROM signed_log").getInt64()) << "leaves were lost";
  for (const auto& [index, bytes] : leaves) {
    ASSERT_EQ(index, expected++) << "leaf indices have a hole";
    const json::value leaf = json::parse(bytes);
    ASSERT_EQ(leaf.at("i").as_int64(), index);
    ASSERT_EQ(audit::canonical_json(leaf).value(), bytes);

    std::vector<std::string> digests;
    SQLite::Statement rows(db, "SELECT items FROM disclosures WHERE leaf_index = ?");
    rows.bind(1, index);
    while (rows.executeStep()) {
      const json::value items = json::parse(rows.getColumn(0).getString());
      for (const auto& item : items.as_array()) {
        digests.push_back(audit::disclosure_digest(base64url_encode(as_bytes(audit::canonical_json(item).value()))));
      }
    }
    std::sort(digests.begin(), digests.end());
    std::vector<std::string> in_leaf;
    for (const auto& digest : leaf.at("_sd").as_array()) in_leaf.emplace_back(digest.as_string());
    ASSERT_EQ(digests, in_leaf) << "leaf " << index;

    const auto& event = leaf.at("event").as_object();
    if (const auto* entity = event.if_contains("entity")) ++changes_by_entity[std::string(entity->at("uid").as_string())];
  }
  SQLite::Statement strays(db,
                           "SELECT count(*) FROM disclosures WHERE NOT EXISTS (SELECT 1 FROM outbox "
                           "WHERE leaf_index >= first_leaf AND leaf_index < first_leaf + leaves) AND leaf_index >= (SELECT "
                           "ifnull(max(size), 0) FROM signed_log)");
  strays.executeStep();
  ASSERT_EQ(strays.getColumn(0).getInt64(), 0) << "disclosures without a leaf";
}

void check_claims(SQLite::Database& db) {
  std::vector<std::string> expected;
  SQLite::Statement peers(db, "SELECT interface, id, allowed_ips FROM peers WHERE revoked IS NULL");
  while (peers.executeStep()) {
    for (const auto& prefix : split_prefixes(peers.getColumn(2).getString())) {
      expected.push_back(peers.getColumn(0).getString() + " " + peers.getColumn(1).getString() + " " +
                         hex_encode(prefix.address().bytes()) + " " + hex_encode(prefix.last().bytes()));
    }
  }
  std::vector<std::string> actual;
  std::string interface;
  std::string previous_hi;
  SQLite::Statement claims(db, "SELECT interface, peer_id, lo, hi FROM claims ORDER BY interface, lo");
  while (claims.executeStep()) {
    const std::string lo = claims.getColumn(2).getString();
    const std::string hi = claims.getColumn(3).getString();
    if (claims.getColumn(0).getString() == interface) {
      ASSERT_LT(previous_hi, lo) << "claims overlap";
    }
    interface = claims.getColumn(0).getString();
    previous_hi = hi;
    actual.push_back(interface + " " + claims.getColumn(1).getString() + " " + hex_encode(as_bytes(lo).subspan(1)) + " " +
                     hex_encode(as_bytes(hi).subspan(1)));
  }
  std::sort(expected.begin(), expected.end());
  std::sort(actual.begin(), actual.end());
  ASSERT_EQ(actual, expected) << "claims are not what live peers hold";
}

}  // namespace

void check_ledger(const std::filesystem::path& database, bool peers_have_leaves) {
  SQLite::Database db(database.string(), SQLite::OPEN_READWRITE, 5000);
  ASSERT_EQ(db.execAndGet("PRAGMA integrity_check").getString(), "ok");
  ASSERT_FALSE(SQLite::Statement(db, "PRAGMA foreign_key_check").executeStep());
  std::map<std::string, std::uint64_t> changes;
  check_leaves(db, changes);
  check_claims(db);
  if (!peers_have_leaves) return;
  SQLite::Statement peers(db, "SELECT id, version FROM peers");
  std::size_t count = 0;
  while (peers.executeStep()) {
    ++count;
    ASSERT_EQ(changes[peers.getColumn(0).getString()], static_cast<std::uint64_t>(peers.getColumn(1).getInt64()))
        << "peer " << peers.getColumn(0).getString() << " does not have exactly one leaf a change";
  }
  ASSERT_EQ(changes.size(), count) << "a leaf tells of a peer that is not there";
}

void LedgerTest::reopen(LedgerOptions options) {
  ledger_.reset();
  auto opened = Ledger::open(database(), std::move(options));
  ASSERT_TRUE(opened) << opened.error().message;
  ledger_ = *std::move(opened);
}

void LedgerTest::must(const std::function<void(Transaction&)>& job) {
  const auto done = change<void>(ledger(), [&job](Transaction& tx) -> Result<void> {
    job(tx);
    return {};
  });
  ASSERT_TRUE(done) << done.error().message;
}

}  // namespace sanad::ledger
