#include "control/service/published_log.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <thread>

#include "control/audit/ocsf.hpp"
#include "control/audit/verifier.hpp"
#include "control/service/log_key_file.hpp"
#include "gateway/base/durable_file.hpp"
#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

namespace fs = std::filesystem;
using testing::ask;
using testing::change;

class PublishedLogTest : public ::testing::Test {
 protected:
  void SetUp() override { open_ledger(); }
  void TearDown() override { close(); }

  void open_ledger() {
    ledger::LedgerOptions options;
    options.on_commit = [this](std::uint64_t, std::uint64_t) { signal_->raise(); };
    signal_ = std::make_unique<CommitSignal>();
    auto opened = ledger::Ledger::open(state() / "state.db", std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    ledger_ = *std::move(opened);
  }
  Result<void> start() {
    auto opened = PublishedLog::open(*ledger_, *signal_, {state(), "gw-1", epoch_, std::chrono::milliseconds{50}});
    if (!opened) return std::move(opened).error();
    log_ = *std::move(opened);
    return {};
  }
  void close() {
    log_.reset();
    ledger_.reset();
  }
  void reopen() {
    close();
    open_ledger();
  }
  [[nodiscard]] fs::path state() const { return directory_.path(); }
  [[nodiscard]] audit::LogReader reader() const { return audit::LogReader(log_directory(state())); }
  void add(std::size_t count) {
    ASSERT_TRUE(change<void>(*ledger_, [count](ledger::Transaction& txn) -> Result<void> {
      for (std::size_t i = 0; i < count; ++i) {
        if (auto index = txn.append(audit::own_event({}, now().wall, "test", {})); !index) return std::move(index).error();
      }
      return {};
    }));
  }
  // The published size once it is at least `size`, or what it is after some seconds.
  std::uint64_t published(std::uint64_t size) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(15);
    std::uint64_t have = 0;
    while (std::chrono::steady_clock::now() < until) {
      const auto note = reader().checkpoint();
      if (note) have = audit::parse_checkpoint(audit::parse_note(*note)->text)->size;
      if (have >= size) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return have;
  }
  void check(std::uint64_t size) {
    const auto verified = audit::verify_log(reader(), {});
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->checkpoint.size, size);
    EXPECT_EQ(verified->checkpoint.origin, "sanad/gw-1");
  }

  // Ends the epoch as an admin would.
  Result<RotatedKey> rotate(const std::string& why = "asked") {
    std::promise<Result<RotatedKey>> answer;
    log_->rotate_key(audit::own_event({}, now().wall, why, {}),
                     [&](Result<RotatedKey> done) { answer.set_value(std::move(done)); });
    return answer.get_future().get();
  }
  // Runs the steps of a change of keys up to `steps` of them, without a publisher: as a start finds it that was killed there.
  void announce_only() {
    auto keys = LogKeys::open(*ledger_, {state(), "gw-1", epoch_});
    ASSERT_TRUE(keys) << keys.error().message;
    const auto size =
        ask<std::uint64_t>(*ledger_, [](ledger::Transaction& txn) -> Result<std::uint64_t> { return txn.signed_log().size; });
    ASSERT_TRUE((*keys)->rotate(now().wall, *size, std::nullopt));
  }
  [[nodiscard]] fs::path key_file(std::uint64_t epoch) const {
    return state() / "keys" / ("log-" + std::to_string(epoch) + ".key");
  }
  void expect_epochs(std::size_t count) {
    audit::VerifyOptions pinned;
    pinned.keys = {reader().keys()->front().key};
    const auto verified = audit::verify_log(reader(), pinned);
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->epochs.size(), count);
  }

  testing::TempDirectory directory_;
  std::chrono::nanoseconds epoch_ = std::chrono::days{30};
  std::unique_ptr<CommitSignal> signal_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<PublishedLog> log_;
};

TEST_F(PublishedLogTest, BeginsWithAKeyThatTheFirstRecordAnnounces) {
  ASSERT_TRUE(start());
  EXPECT_EQ(published(1), 1U);
  check(1);
  struct ::stat info {};
  ASSERT_EQ(::stat((state() / "keys" / "log-1.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  const auto keys = reader().keys().value();
  ASSERT_EQ(keys.size(), 1U);
  const auto leaves = ask<std::vector<ledger::StoredLeaf>>(
      *ledger_, [](ledger::Transaction& txn) -> Result<std::vector<ledger::StoredLeaf>> { return txn.leaves(0, 10, false); });
  EXPECT_NE(leaves->at(0).bytes.find(audit::to_vkey(keys[0].key)), std::string::npos);
  reopen();
  ASSERT_TRUE(start());
  EXPECT_EQ(reader().keys().value(), keys);
  check(1);
}

TEST_F(PublishedLogTest, CoversWhatIsCommittedAndDropsWhatTilesHave) {
  ASSERT_TRUE(start());
  std::uint64_t size = 1;
  std::uint64_t kept_from = 0;  // where the last commit began that reaches into the bundle which is not full
  for (const std::size_t count : {1U, 300U, 7U, 1000U}) {
    add(count);
    kept_from = size;
    size += count;
    ASSERT_EQ(published(size), size);
    check(size);
  }
  const auto all = ask<std::vector<ledger::StoredLeaf>>(
      *ledger_, [this](ledger::Transaction& txn) { return read_leaves(txn, log_directory(state()), 0, 10'000); });
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), size);
  for (std::uint64_t i = 0; i < size; ++i) {
    ASSERT_EQ(all->at(i).index, i);
    ASSERT_NE(all->at(i).bytes.find("\"i\":" + std::to_string(i) + ","), std::string::npos);
  }
  // Leaves go in steps after the checkpoint that makes them superfluous.
  const auto first_pending = [this] {
    return ask<std::uint64_t>(*ledger_,
                              [](ledger::Transaction& txn) -> Result<std::uint64_t> { return txn.first_pending_leaf(); })
        .value();
  };
  for (int tries = 0; tries < 3000 && first_pending() != kept_from; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_LT(kept_from, size / 256 * 256);
  EXPECT_EQ(first_pending(), kept_from);
  const auto some = ask<std::vector<ledger::StoredLeaf>>(
      *ledger_, [this](ledger::Transaction& txn) { return read_leaves(txn, log_directory(state()), 250, 20); });
  ASSERT_EQ(some->size(), 20U);
  EXPECT_EQ(some->front().index, 250U);
  EXPECT_EQ(some->back().index, 269U);
}

TEST_F(PublishedLogTest, PublishesWhatIsLeftWhenItEnds) {
  ASSERT_TRUE(start());
  add(5);
  log_.reset();
  check(6);
  reopen();
  add(5);  // committed while nobody publishes
  ASSERT_TRUE(start());
  check(11);
}

TEST_F(PublishedLogTest, RefusesAnotherOrMissingKey) {
  ASSERT_TRUE(start());
  log_.reset();
  const auto file = state() / "keys" / "log-1.key";
  const std::string good = read_file(file, 10'000).value();
  fs::remove(file);
  auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_FALSE(refused.error().hint.empty());
  EXPECT_FALSE(fs::exists(file)) << "a key that nobody announced was made";
  ASSERT_TRUE(write_file_durably(file, audit::ed25519_to_pem(audit::generate_ed25519().value()).value(), 0600));
  refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::corrupt);
  ASSERT_TRUE(write_file_durably(file, good, 0644));
  refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  ASSERT_TRUE(write_file_durably(file, good, 0600));
  ASSERT_TRUE(start());
}

TEST_F(PublishedLogTest, ChangesItsKeyWhenAsked) {
  ASSERT_TRUE(start());
  add(3);
  ASSERT_EQ(published(4), 4U);
  const auto first = reader().keys()->front().key;
  const auto rotated = rotate("who asked");
  ASSERT_TRUE(rotated) << rotated.error().message;
  EXPECT_EQ(rotated->epoch, 2U);
  EXPECT_EQ(rotated->first_index, 6U);
  add(1);
  // The announcement, this one, and the record of the old key's end.
  ASSERT_EQ(published(8), 8U);
  expect_epochs(2);
  EXPECT_FALSE(fs::exists(key_file(1)));
  EXPECT_TRUE(fs::exists(key_file(2)));
  EXPECT_EQ(reader().archived_sizes().value(), std::vector<std::uint64_t>{6});
  EXPECT_TRUE(audit::open_checkpoint(reader().archived_checkpoint(6).value(), {&first, 1}));
  const auto all = testing::leaves(*ledger_);
  EXPECT_NE(all.at(4).find("who asked"), std::string::npos);
  EXPECT_NE(all.at(5).find(rotated->vkey), std::string::npos);
  EXPECT_EQ(testing::count_containing(all, "\"log_key_destroyed\""), 1U);
  EXPECT_EQ(log_->state().epoch, 2U);
  reopen();
  ASSERT_TRUE(start());
  expect_epochs(2);
}

TEST_F(PublishedLogTest, ChangesItsKeyWhenTheEpochIsOver) {
  epoch_ = std::chrono::milliseconds{1};
  ASSERT_TRUE(start());
  for (std::uint64_t size = 1; reader().archived_sizes()->size() < 4; ++size) {
    ASSERT_LT(size, 100U);
    add(1);
    published(size);
  }
  close();
  const auto verified = audit::verify_log(reader(), {});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_GE(verified->epochs.size(), 4U);
  // All but the newest, and the one before it when that still had to sign.
  std::size_t left = 0;
  for (const auto& entry : fs::directory_iterator(state() / "keys")) left += entry.is_regular_file() ? 1U : 0U;
  EXPECT_LE(left, 2U);
}

TEST_F(PublishedLogTest, AClockBehindTheEpochsBeginningEndsIt) {
  ASSERT_TRUE(start());
  ASSERT_TRUE(change<void>(*ledger_, [](ledger::Transaction& txn) -> Result<void> {
    const auto ahead = txn.now().wall + std::chrono::hours{24 * 365};
    return txn.set_meta(ledger::kMetaEpochBegan, std::to_string(ahead.ns)), Result<void>{};
  }));
  reopen();
  ASSERT_TRUE(start());
  // The step, the announcement, and the end of the old key: the first record of the new one.
  ASSERT_GE(published(4), 4U);
  expect_epochs(2);
  EXPECT_EQ(testing::count_containing(testing::leaves(*ledger_), "before the epoch"), 1U);
}

TEST_F(PublishedLogTest, AKillAnywhereInTheChangeOfKeysIsTakenUp) {
  // After the next key's file was made.
  ASSERT_TRUE(start());
  add(3);
  close();
  const auto made = LogKeyFile(state(), 2).read_or_make();
  ASSERT_TRUE(made);
  open_ledger();
  ASSERT_TRUE(start());
  const auto rotated = rotate();
  ASSERT_TRUE(rotated);
  EXPECT_EQ(rotated->vkey, audit::to_vkey(audit::verifier_of(audit::Signer{"sanad/gw-1", *made}).value()));
  close();
  expect_epochs(2);

  // After the announcement, with records behind it.
  open_ledger();
  announce_only();
  add(300);
  ASSERT_TRUE(start());
  close();
  expect_epochs(3);
  EXPECT_FALSE(fs::exists(key_file(2)));

  // Before the old key was destroyed: what was left of it is found, and its end recorded once.
  open_ledger();
  const std::string kept = read_file(key_file(3), 10'000).value();
  announce_only();
  ASSERT_TRUE(start());
  close();
  ASSERT_TRUE(write_file_durably(key_file(3), kept, 0600));
  open_ledger();
  ASSERT_TRUE(change<void>(*ledger_, [](ledger::Transaction& txn) -> Result<void> {
    return txn.set_meta("log_keys_destroyed", "2"), Result<void>{};
  }));
  ASSERT_TRUE(start());
  close();
  EXPECT_FALSE(fs::exists(key_file(3)));
  expect_epochs(4);
}

TEST_F(PublishedLogTest, TheNextKeyDoesNotSignForTheOneThatIsGone) {
  ASSERT_TRUE(start());
  add(3);
  close();
  open_ledger();
  announce_only();
  add(1);
  const std::string old = read_file(key_file(1), 10'000).value();
  fs::remove(key_file(1));
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_NE(refused.error().message.find("log-1.key"), std::string::npos) << refused.error().message;
  ASSERT_TRUE(write_file_durably(key_file(1), old, 0600));
  ASSERT_TRUE(start());
  close();
  expect_epochs(2);
}

TEST_F(PublishedLogTest, ACredentialIsTakenAsTheKeyAndNotDestroyed) {
  const testing::TempDirectory credentials;
  ASSERT_EQ(::setenv("CREDENTIALS_DIRECTORY", credentials.path().c_str(), 1), 0);
  const auto seed = audit::generate_ed25519().value();
  ASSERT_TRUE(write_file_durably(credentials.path() / "log-1.key", audit::ed25519_to_pem(seed).value(), 0600));
  ASSERT_TRUE(start());
  add(1);
  ASSERT_TRUE(rotate());
  add(1);
  close();
  EXPECT_EQ(reader().keys()->front().key, audit::verifier_of(audit::Signer{"sanad/gw-1", seed}).value());
  EXPECT_TRUE(fs::exists(credentials.path() / "log-1.key"));
  EXPECT_FALSE(fs::exists(key_file(1)));
  EXPECT_TRUE(fs::exists(key_file(2)));
  ::unsetenv("CREDENTIALS_DIRECTORY");
  expect_epochs(2);
}

TEST_F(PublishedLogTest, RefusesADatabaseOlderThanTheLog) {
  ASSERT_TRUE(start());
  close();
  fs::copy(state() / "state.db", state() / "backup.db");
  open_ledger();
  ASSERT_TRUE(start());
  add(10);
  close();
  fs::rename(state() / "backup.db", state() / "state.db");
  fs::remove(state() / "state.db-wal");
  fs::remove(state() / "state.db-shm");
  open_ledger();
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::corrupt);
  EXPECT_NE(refused.error().message.find("older than the log"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(refused.error().hint.empty());
  const auto verified = audit::verify_log(reader(), {});
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_EQ(verified->checkpoint.size, 11U);
}

TEST_F(PublishedLogTest, TriesAgainWhatMayPass) {
  ASSERT_TRUE(start());
  ASSERT_EQ(published(1), 1U);
  // A file where the directory of bundles has to be: as good as a full disk, and running as root does not help.
  fs::rename(log_directory(state()) / "tile", state() / "aside");
  {
    std::FILE* const in_the_way = std::fopen((log_directory(state()) / "tile").c_str(), "w");
    std::fclose(in_the_way);
  }
  add(3);
  // Written, but with no place to go.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (!fs::exists(log_directory(state()) / ".incoming-0") && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_EQ(published(0), 1U);
  fs::remove(log_directory(state()) / "tile");
  fs::rename(state() / "aside", log_directory(state()) / "tile");
  EXPECT_EQ(published(4), 4U);
  check(4);
}

}  // namespace
}  // namespace sanad::service
