// kill -9 at random points: nothing that was acknowledged is lost, nothing is there twice, no change without its leaf.
// SANAD_SEED repeats a run; SANAD_KILLS and SANAD_CHANGES widen it.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "gateway/base/unique_fd.hpp"
#include "tests/unit/ledger/ledger_fixture.hpp"

namespace sanad::ledger {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

constexpr std::uint64_t kInFlight = 4;

// What the child reports after `done`: the change is durable, its leaf has this index.
struct Acknowledgement {
  std::uint64_t number = 0;
  std::uint64_t leaf = 0;
};

// Changes without end, several in flight, so that kills fall into batches as well: peers are added, and every third added is
// changed, every seventh revoked, in the same numbering.
[[noreturn]] void run_child(const std::filesystem::path& database, std::uint64_t first, int out) {
  LedgerOptions options;
  options.checkpoint_bytes = 256U << 10;  // so that kills fall into checkpoints too
  auto ledger = Ledger::open(database, options);
  if (!ledger) _exit(3);
  std::mutex mutex;
  std::condition_variable wake;
  std::uint64_t in_flight = 0;
  for (std::uint64_t n = first;; ++n) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&in_flight] { return in_flight < kInFlight; });
      ++in_flight;
    }
    (*ledger)->submit<std::uint64_t>(
        [n](Transaction& tx) -> Result<std::uint64_t> {
          auto peer = add_peer(tx, n, {});
          if (!peer) return std::move(peer).error();
          auto leaf = tx.append(peer_event(*peer, audit::EntityVerb::create));
          if (n % 3 == 0) {
            peer->note = "changed";
            peer = tx.update_peer(*peer);
            leaf = tx.append(peer_event(*peer, audit::EntityVerb::update));
          }
          if (n % 7 == 0) {
            peer = tx.revoke_peer(peer->id);
            leaf = tx.append(peer_event(*peer, audit::EntityVerb::remove));
          }
          return leaf;
        },
        [n, out, &mutex, &wake, &in_flight](Result<std::uint64_t> leaf) {
          if (!leaf) _exit(4);
          const Acknowledgement ack{n, *leaf};
          if (::write(out, &ack, sizeof ack) != sizeof ack) _exit(5);
          const std::lock_guard lock(mutex);
          --in_flight;
          wake.notify_one();
        });
  }
}

// The acknowledged leaf tells of the acknowledged peer, and the peer is there.
void expect_present(Transaction& tx, const Acknowledgement& ack) {
  const auto leaves = tx.leaves(ack.leaf, 1, true);
  ASSERT_EQ(leaves.size(), 1U) << "acknowledged leaf " << ack.leaf << " is lost";
  ASSERT_EQ(leaves[0].index, ack.leaf);
  const std::string name = "owner-" + std::to_string(ack.number) + "/laptop";
  ASSERT_EQ(leaves[0].disclosures.at(0).value_json, "\"" + name + "\"");
  const auto entity = boost::json::parse(leaves[0].bytes).at("event").at("entity").at("uid").as_string();
  const auto peer = tx.find_peer(std::string(entity));
  ASSERT_TRUE(peer) << "acknowledged change " << ack.number << " is lost";
  EXPECT_EQ(peer->name(), name);
  EXPECT_EQ(peer->revoked.has_value(), ack.number % 7 == 0);
}

TEST(LedgerKill, NothingAcknowledgedIsLostOrDoubled) {
  const TempDirectory directory;
  const auto database = directory.path() / "state.db";
  const std::uint64_t seed = setting("SANAD_SEED", std::random_device{}());
  const std::uint64_t kills = setting("SANAD_KILLS", 60);
  const std::uint64_t changes = setting("SANAD_CHANGES", 1000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);

  std::uint64_t next = 0;
  std::uint64_t acknowledged = 0;
  std::set<std::uint64_t> leaves;
  std::uint64_t rounds = 0;
  while (rounds < kills || acknowledged < changes) {
    ++rounds;
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    const UniqueFd in(fds[0]);
    UniqueFd out(fds[1]);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) run_child(database, next, out.get());
    out.reset();

    // The kill falls after a number of acknowledgements and a moment more.
    const std::uint64_t wanted = random() % (2 * changes / kills + 1);
    const auto moment = std::chrono::microseconds(random() % 3000);
    Acknowledgement ack;
    std::vector<Acknowledgement> round;
    const auto take = [&] {
      round.push_back(ack);
      // What was durable but not acknowledged any more is not tried again: at most kInFlight.
      next = std::max(next, ack.number + 1 + kInFlight);
      ++acknowledged;
      EXPECT_TRUE(leaves.insert(ack.leaf).second) << "one leaf acknowledged twice";
    };
    for (std::uint64_t i = 0; i < wanted && ::read(in.get(), &ack, sizeof ack) == sizeof ack; ++i) take();
    std::this_thread::sleep_for(moment);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << WEXITSTATUS(status);
    while (::read(in.get(), &ack, sizeof ack) == sizeof ack) take();

    auto opened = Ledger::open(database);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto checked = ask<void>(**opened, [&round](Transaction& tx) -> Result<void> {
      for (const auto& known : round) expect_present(tx, known);
      return {};
    });
    ASSERT_TRUE(checked) << checked.error().message;
    opened->reset();
    check_ledger(database, true);
    next += kInFlight;
    if (HasFatalFailure()) return;
  }
  std::printf("%llu kills, %llu changes acknowledged\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(acknowledged));
}

}  // namespace
}  // namespace sanad::ledger
