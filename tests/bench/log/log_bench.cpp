// What evidence costs when it is published while it is made, against what the disk and the processor can do in the same minute.
// Arguments: [--seconds N] [DIRECTORY on the disk to measure] (default: 20, the temporary directory).

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control/audit/ed25519.hpp"
#include "control/audit/ocsf.hpp"
#include "control/audit/proof.hpp"
#include "control/audit/verifier.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::service {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kWaiting = 1024;  // events that wait for their answer at a time
constexpr std::size_t kEventBytes = 500;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double percentile(std::vector<double>& values, double p) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1))];
}

// An opened session as the tracker records it: about 500 bytes of leaf and three disclosures.
audit::EventDraft session_event() {
  static const audit::Reporter reporter{"bench-1", {}, {}, {}};
  audit::EventDraft draft = audit::own_event(reporter, now().wall, "bench", {});
  const std::size_t bytes = boost::json::serialize(draft.event).size() + 3 * 46 + 120;
  draft.event["padding"] = std::string(bytes < kEventBytes ? kEventBytes - bytes : 0, 'x');
  draft.personal = {
      {"user.name", "Ayesha Khan", "o-1"}, {"src_endpoint.ip", "198.51.100.7", "o-1"}, {"src_endpoint.port", 51820, "o-1"}};
  return draft;
}

// The ceiling: append, hash and one fdatasync a batch, and one signature a batch.
double probe(const std::filesystem::path& directory, double seconds) {
  const auto path = directory / "probe";
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
  const auto seed = audit::generate_ed25519().value();
  const std::string event(kEventBytes, 'x');
  const auto start = Clock::now();
  std::uint64_t events = 0;
  while (seconds_since(start) < seconds) {
    std::string batch;
    audit::Hash hash{};
    for (std::size_t i = 0; i < kWaiting; ++i) {
      batch += event;
      hash = audit::node_hash(hash, audit::leaf_hash(as_bytes(event)));
    }
    const bool good = ::write(fd.get(), batch.data(), batch.size()) == static_cast<ssize_t>(batch.size()) &&
                      ::fdatasync(fd.get()) == 0 && audit::ed25519_sign(seed, hash).has_value();
    if (!good) std::abort();
    events += kWaiting;
  }
  const double rate = static_cast<double>(events) / seconds_since(start);
  std::filesystem::remove(path);
  return rate;
}

struct Measured {
  double rate = 0;
  double ack_p50 = 0, ack_p99 = 0;
  double covered_p99 = 0;
  std::uint64_t records = 0;
};

Measured append(const std::filesystem::path& directory, double seconds) {
  CommitSignal signal;
  ledger::LedgerOptions options;
  options.on_commit = [&signal](std::uint64_t, std::uint64_t) { signal.raise(); };
  auto ledger = ledger::Ledger::open(directory / "state.db", std::move(options)).value();
  auto log = PublishedLog::open(*ledger, signal, {directory, "bench-1"}).value();

  std::mutex mutex;
  std::condition_variable changed;
  std::size_t waiting = 0;                                                // guarded by mutex
  std::vector<double> acks;                                               // guarded by mutex
  std::vector<std::pair<std::uint64_t, Clock::time_point>> acknowledged;  // guarded by mutex; a sample
  const auto start = Clock::now();
  std::vector<double> covered;
  bool done = false;  // guarded by mutex
  std::thread watcher([&] {
    const audit::LogReader reader(log_directory(directory));
    std::size_t next = 0;
    for (;;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const auto note = reader.checkpoint();
      const std::uint64_t size = note ? audit::parse_checkpoint(audit::parse_note(*note)->text)->size : 0;
      const auto at = Clock::now();
      const std::lock_guard lock(mutex);
      for (; next < acknowledged.size() && acknowledged[next].first < size; ++next) {
        covered.push_back(std::chrono::duration<double>(at - acknowledged[next].second).count());
      }
      if (done && next == acknowledged.size()) return;
    }
  });
  while (seconds_since(start) < seconds) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return waiting < kWaiting; });
      ++waiting;
    }
    const auto submitted = Clock::now();
    ledger->submit<std::uint64_t>([draft = session_event()](ledger::Transaction& txn) { return txn.append(draft); },
                                  [&, submitted](Result<std::uint64_t> index) {
                                    const auto at = Clock::now();
                                    const std::lock_guard lock(mutex);
                                    --waiting;
                                    acks.push_back(std::chrono::duration<double>(at - submitted).count());
                                    if (acks.size() % 64 == 0) acknowledged.emplace_back(index.value(), at);
                                    changed.notify_one();
                                  });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting == 0; });
    done = true;
  }
  Measured out;
  out.rate = static_cast<double>(acks.size()) / seconds_since(start);
  watcher.join();
  log.reset();
  ledger.reset();
  out.records = acks.size() + 1;
  out.ack_p50 = percentile(acks, 0.5);
  out.ack_p99 = percentile(acks, 0.99);
  out.covered_p99 = percentile(covered, 0.99);
  return out;
}

double verify(const std::filesystem::path& directory, unsigned threads) {
  audit::VerifyOptions options;
  options.threads = threads;
  const auto start = Clock::now();
  const auto verified = audit::verify_log(audit::LogReader(log_directory(directory)), options);
  if (!verified) {
    std::fprintf(stderr, "log_bench: %s\n", verified.error().message.c_str());
    std::exit(1);
  }
  return static_cast<double>(verified->checkpoint.size) / seconds_since(start);
}

void prove(const std::filesystem::path& directory) {
  const audit::LogReader reader(log_directory(directory));
  const auto note = reader.checkpoint().value();
  std::vector<audit::VerifierKey> keys;
  for (const auto& epoch : reader.keys().value()) keys.push_back(epoch.key);
  const auto tree = audit::open_checkpoint(note, keys).value().checkpoint;
  std::vector<double> made;
  std::vector<double> checked;
  std::size_t bytes = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t index = static_cast<std::uint64_t>(i) * (tree.size / 200);
    auto start = Clock::now();
    audit::LogProof proof{{}, index, audit::inclusion_proof(index, tree.size, reader.nodes(tree.size)).value(), note};
    audit::Bundle bundle;
    const std::uint64_t number = index / audit::kTileWidth;
    const auto width = static_cast<unsigned>(std::min<std::uint64_t>(audit::kTileWidth, tree.size - number * audit::kTileWidth));
    if (!reader.entries(number, width, bundle)) std::abort();
    const auto entry = bundle.entries[index % audit::kTileWidth];
    proof.extra = audit::proof_extra({{entry.begin(), entry.end()}, {}});
    const std::string text = audit::proof_text(proof);
    made.push_back(seconds_since(start));
    bytes = std::max(bytes, text.size());
    start = Clock::now();
    if (!audit::check_proof(audit::parse_proof(text).value(), audit::leaf_hash(entry), keys)) std::abort();
    checked.push_back(seconds_since(start));
  }
  std::printf("proof        made in %.2f ms, checked in %.2f ms (p99), at most %zu bytes\n", percentile(made, 0.99) * 1e3,
              percentile(checked, 0.99) * 1e3, bytes);
}

int run(std::filesystem::path directory, double seconds) {
  std::string name = (directory / "sanad-log-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return std::perror("log_bench"), 1;
  directory = name;
  const double before = probe(directory, 2);
  const Measured measured = append(directory, seconds);
  const double ceiling = std::max(before, probe(directory, 2));
  std::printf("probe        %.0f events/s (append, hash, fdatasync and signature a batch of %zu)\n", ceiling, kWaiting);
  std::printf("append       %.0f events/s durable while published (%.0f %% of the probe), ack p50 %.1f ms p99 %.1f ms\n",
              measured.rate, 100 * measured.rate / ceiling, measured.ack_p50 * 1e3, measured.ack_p99 * 1e3);
  std::printf("checkpoint   covers an acknowledged event in %.0f ms (p99)\n", measured.covered_p99 * 1e3);
  const double one = verify(directory, 1);
  const double two = verify(directory, 2);
  std::printf("verify       %.0f leaves/s on one core, %.0f on two (%+.0f %%), of %llu\n", one, two, 100 * (two / one - 1),
              static_cast<unsigned long long>(measured.records));
  prove(directory);
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace sanad::service

int main(int argc, char** argv) {
  std::filesystem::path directory = std::filesystem::temp_directory_path();
  double seconds = 20;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--seconds" && i + 1 < argc) {
      seconds = std::strtod(argv[++i], nullptr);
    } else {
      directory = argv[i];
    }
  }
  return sanad::service::run(directory, seconds);
}
