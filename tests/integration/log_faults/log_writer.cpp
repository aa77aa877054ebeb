// log_writer STATE COMMITS: a ledger and its published log, as the daemon has them, and nothing else. Commits records one after
// another and says on standard output
//   acked <index> <token>    the record is durable, said only once that is so
//   saw <base64>             a checkpoint that was published
// log_writer STATE --dump    says "has <index> <token>" for every record there is.
// Exit status 1 when it cannot start.

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>

#include "control/audit/ocsf.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

// A step takes as long as a few checkpoints, so that faults fall between and into them.
constexpr std::chrono::milliseconds kPace{2};
// And as long as that the keys change again and again.
constexpr std::chrono::milliseconds kEpoch{25};

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

std::string token_of(const std::string& leaf) {
  const auto parsed = boost::json::parse(leaf);
  const auto* token = parsed.at("event").at("unmapped").at("sanad").as_object().if_contains("token");
  return token == nullptr ? std::string("-") : std::string(token->as_string());
}

int dump(ledger::Ledger& ledger, const std::filesystem::path& state) {
  using Leaves = std::vector<ledger::StoredLeaf>;
  for (std::uint64_t from = 0;;) {
    std::promise<Result<Leaves>> answer;
    ledger.query<Leaves>([&](ledger::Transaction& txn) { return read_leaves(txn, log_directory(state), from, 1000); },
                         [&](Result<Leaves> leaves) { answer.set_value(std::move(leaves)); });
    const auto leaves = answer.get_future().get();
    if (!leaves) return std::fprintf(stderr, "%s\n", leaves.error().message.c_str()), 1;
    if (leaves->empty()) return 0;
    for (const auto& leaf : *leaves) say("has " + std::to_string(leaf.index) + " " + token_of(leaf.bytes));
    from = leaves->back().index + 1;
  }
}

void commit(ledger::Ledger& ledger, std::size_t number, std::size_t records) {
  std::promise<Result<std::uint64_t>> answer;
  const std::string token = std::to_string(number) + "." + std::to_string(now().wall.ns);
  ledger.submit<std::uint64_t>(
      [&](ledger::Transaction& txn) -> Result<std::uint64_t> {
        std::uint64_t first = 0;
        for (std::size_t i = 0; i < records; ++i) {
          auto index = txn.append(audit::own_event({}, txn.now().wall, "test", {{"token", token}}));
          if (!index) return index;
          if (i == 0) first = *index;
        }
        return first;
      },
      [&](Result<std::uint64_t> index) { answer.set_value(std::move(index)); });
  const auto first = answer.get_future().get();
  if (!first) return;
  for (std::size_t i = 0; i < records; ++i) say("acked " + std::to_string(*first + i) + " " + token);
}

int run(const std::filesystem::path& state, const std::string& what) {
  CommitSignal signal;
  ledger::LedgerOptions options;
  options.retry_interval = std::chrono::milliseconds{10};
  options.checkpoint_bytes = 128U << 10;  // every few commits, so that faults meet checkpoints, too
  options.on_commit = [&signal](std::uint64_t, std::uint64_t) { signal.raise(); };
  auto ledger = ledger::Ledger::open(state / "state.db", std::move(options));
  if (!ledger) return std::fprintf(stderr, "%s\n", ledger.error().message.c_str()), 1;
  if (what == "--dump") return dump(**ledger, state);
  auto log = PublishedLog::open(**ledger, signal, {state, "faulty", kEpoch, kPace});
  if (!log) return std::fprintf(stderr, "%s\n", log.error().message.c_str()), 1;
  std::string seen;
  for (std::size_t i = 0, commits = std::strtoull(what.c_str(), nullptr, 10); i < commits; ++i) {
    // Small ones and one that fills a tile.
    commit(**ledger, i, i == commits / 2 ? 300 : 1 + i % 7);
    std::this_thread::sleep_for(kPace);
    const auto note = read_file(log_directory(state) / "checkpoint", 1U << 20U);
    if (note && *note != seen) say("saw " + base64_encode(as_bytes(seen = *note)));
  }
  return 0;
}

}  // namespace
}  // namespace sanad::service

int main(int argc, char** argv) {
  if (argc != 3) return std::fputs("usage: log_writer STATE COMMITS|--dump\n", stderr), 2;
  return sanad::service::run(argv[1], argv[2]);
}
