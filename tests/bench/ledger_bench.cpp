// What the ledger costs, against what the disk costs in the same run. Arguments: a directory on the disk to measure (default: the
// temporary directory), "--json", and "--only admin|append|import".

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "control/audit/ocsf.hpp"
#include "control/ledger/ledger.hpp"
#include "gateway/base/unique_fd.hpp"
#include "gateway/sessions/session_id.hpp"

namespace sanad::ledger {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// Processor time of the whole process: on a shared machine it says more than the clock on the wall.
double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::int64_t percentile_us(std::vector<double> seconds, double p) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = static_cast<std::size_t>(p * static_cast<double>(seconds.size() - 1));
  return static_cast<std::int64_t>(seconds[at] * 1e6);
}

// One 4 KiB write into blocks that exist, and fdatasync: the least a durable change can cost here.
double probe_fdatasync(int fd, int i) {
  static const std::string kBlock(4096, 'x');
  const auto start = Clock::now();
  const bool ok = ::pwrite(fd, kBlock.data(), kBlock.size(), (i % 256) * 4096) == 4096 && ::fdatasync(fd) == 0;
  if (!ok) std::abort();
  return seconds_since(start);
}

wg::PublicKey key_number(std::uint64_t n) {
  std::array<std::uint8_t, 32> bytes{};
  std::uint64_t mixed = n * 0x9E3779B97F4A7C15U;  // keys are random: neighbours in the index are not neighbours in time
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(mixed >> (8 * i));
  for (std::size_t i = 0; i < 8; ++i) bytes[8 + i] = static_cast<std::uint8_t>(n >> (8 * i));
  return wg::PublicKey(bytes);
}

audit::EventDraft peer_event(const PeerRecord& peer, audit::EntityVerb verb) {
  audit::EntityChange change;
  change.verb = verb;
  change.action = "create";
  change.type = "peer";
  change.id = peer.id;
  change.after = Sha256{};
  change.personal = {{"entity.name", json::value(peer.name()), peer.owner.id},
                     {"user.name", json::value(peer.owner.name), peer.owner.id},
                     {"user.email_addr", json::value(peer.owner.email), peer.owner.id}};
  const audit::Actor actor{0, 0, 1, "root", "/usr/bin/sanad", "admin"};
  return audit::entity_management({"bench-1", "24-7781", std::string(64, 'a'), {}}, now().wall, actor, std::move(change));
}

Result<PeerRecord> add_peer(Transaction& tx, std::uint64_t n) {
  const std::string number = std::to_string(n);
  auto owner = tx.find_or_create_owner("Employee " + number, "employee" + number + "@example.com", {});
  if (!owner) return std::move(owner).error();
  PeerRecord peer;
  peer.interface = "wg0";
  peer.owner = *std::move(owner);
  peer.device = "laptop";
  peer.public_key = key_number(n);
  peer.preshared_key = wg::PresharedKey(peer.public_key.bytes());
  for (const auto* pool : {"10.0.0.0/8", "fd66::/64"}) {
    auto address = tx.allocate({"wg0", IpPrefix::parse(pool).value(), {}, std::chrono::hours{720}});
    if (!address) return std::move(address).error();
    peer.allowed_ips.push_back(IpPrefix::host(*address));
  }
  auto stored = tx.insert_peer(std::move(peer));
  if (!stored) return stored;
  if (auto leaf = tx.append(peer_event(*stored, audit::EntityVerb::create)); !leaf) return std::move(leaf).error();
  return stored;
}

template <class T>
Result<T> change(Ledger& ledger, std::function<Result<T>(Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.submit<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

json::object bench_admin(Ledger& ledger, int probe) {
  std::vector<double> changes;
  std::vector<double> syncs;
  for (int i = 0; i < 1000; ++i) {
    syncs.push_back(probe_fdatasync(probe, i));
    const auto start = Clock::now();
    change<PeerRecord>(ledger, [i](Transaction& tx) { return add_peer(tx, 10'000'000U + static_cast<unsigned>(i)); }).value();
    changes.push_back(seconds_since(start));
  }
  return {{"change_p50_us", percentile_us(changes, 0.5)},
          {"change_p99_us", percentile_us(changes, 0.99)},
          {"fdatasync_p50_us", percentile_us(syncs, 0.5)},
          {"fdatasync_p99_us", percentile_us(syncs, 0.99)}};
}

json::object bench_import(Ledger& ledger) {
  constexpr std::uint64_t kPeers = 65'536;
  const double cpu = cpu_seconds();
  const auto start = Clock::now();
  change<void>(ledger, [](Transaction& tx) -> Result<void> {
    for (std::uint64_t n = 0; n < kPeers; ++n) {
      auto done = tx.atomically([&tx, n]() -> Result<void> {
        auto peer = add_peer(tx, n);
        if (!peer) return std::move(peer).error();
        return {};
      });
      if (!done) return done;
    }
    return {};
  }).value();
  return {{"peers", kPeers},
          {"ms", static_cast<std::int64_t>(seconds_since(start) * 1e3)},
          {"cpu_ms", static_cast<std::int64_t>((cpu_seconds() - cpu) * 1e3)}};
}

// Sessions opening, each a job of its own with its row and its leaf, 1,024 waiting at any time.
json::object bench_append(Ledger& ledger) {
  constexpr std::uint64_t kEvents = 200'000;
  constexpr std::uint64_t kWaiting = 1024;
  std::mutex mutex;
  std::condition_variable wake;
  std::uint64_t waiting = 0;
  const audit::Reporter reporter{"bench-1", "24-7781", std::string(64, 'a'), {}};
  const audit::SessionContext context{"wg0",
                                      "kernel",
                                      "p-7hq2k5xwz3nma",
                                      "o-aaaaaaaaaaaaa",
                                      "",
                                      "",
                                      {IpPrefix::parse("10.0.0.2/32").value()},
                                      std::chrono::seconds{10},
                                      1};
  std::vector<double> latencies(kEvents);
  const double cpu = cpu_seconds();
  const auto start = Clock::now();
  for (std::uint64_t n = 0; n < kEvents; ++n) {
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&waiting] { return waiting < kWaiting; });
      ++waiting;
    }
    const auto submitted = Clock::now();
    ledger.submit<void>(
        [n, &reporter, &context](Transaction& tx) -> Result<void> {
          sessions::Opened opened;
          opened.session = sessions::new_session_id();
          opened.start = tx.now().wall;
          opened.endpoint = Endpoint{IpAddress::parse("198.51.100.7").value(), static_cast<std::uint16_t>(1 + n % 60'000)};
          SessionRecord row;
          row.id = opened.session;
          row.peer_id = context.peer_id;
          row.owner_id = context.owner_id;
          row.interface = context.interface;
          row.inner = context.inner;
          row.started = opened.start;
          row.opened_evidence = tx.next_index();
          row.endpoints = {{*opened.endpoint, row.started, row.opened_evidence}};
          row.boot_id = "00000000-0000-0000-0000-000000000000";
          row.device_identity = "kernel:7";
          if (auto done = tx.open_session(row); !done) return done;
          if (auto leaf = tx.append(audit::session_opened(reporter, context, opened)); !leaf) return std::move(leaf).error();
          return {};
        },
        [n, submitted, &latencies, &mutex, &wake, &waiting](Result<void> result) {
          if (!result) std::abort();
          latencies[n] = seconds_since(submitted);
          const std::lock_guard lock(mutex);
          --waiting;
          wake.notify_one();
        });
  }
  std::unique_lock lock(mutex);
  wake.wait(lock, [&waiting] { return waiting == 0; });
  const double seconds = seconds_since(start);
  return {{"events", kEvents},
          {"events_per_s", static_cast<std::int64_t>(static_cast<double>(kEvents) / seconds)},
          {"events_per_cpu_s", static_cast<std::int64_t>(static_cast<double>(kEvents) / (cpu_seconds() - cpu))},
          {"ack_p99_us", percentile_us(latencies, 0.99)}};
}

int run(const std::filesystem::path& parent, bool as_json, std::string_view only) {
  std::string pattern = (parent / "sanad-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror("couldn't make a directory to measure in");
    return 1;
  }
  const std::filesystem::path directory(pattern);
  json::object out;
  const auto wanted = [only](std::string_view part) { return only.empty() || only == part; };
  {
    const UniqueFd probe(::open((directory / "probe").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    for (int i = 0; i < 256; ++i) probe_fdatasync(probe.get(), i);
    auto ledger = Ledger::open(directory / "state.db").value();
    if (wanted("admin")) out["admin_on_empty"] = bench_admin(*ledger, probe.get());
    if (wanted("append")) out["append"] = bench_append(*ledger);
  }
  if (wanted("import")) {
    auto ledger = Ledger::open(directory / "import.db").value();
    out["import"] = bench_import(*ledger);
    const UniqueFd probe(::open((directory / "probe").c_str(), O_RDWR | O_CLOEXEC));
    if (wanted("admin")) out["admin_on_65536_peers"] = bench_admin(*ledger, probe.get());
  }
  std::filesystem::remove_all(directory);
  if (as_json) {
    std::puts(json::serialize(out).c_str());
    return 0;
  }
  for (const auto& [name, figures] : out) {
    std::printf("%s\n", std::string(name).c_str());
    for (const auto& [figure, value] : figures.as_object()) {
      std::printf("  %-20s %s\n", std::string(figure).c_str(), json::serialize(value).c_str());
    }
  }
  return 0;
}

}  // namespace
}  // namespace sanad::ledger

int main(int argc, char** argv) {
  std::filesystem::path directory = std::filesystem::temp_directory_path();
  bool as_json = false;
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") {
      as_json = true;
    } else if (std::string_view(argv[i]) == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else {
      directory = argv[i];
    }
  }
  return sanad::ledger::run(directory, as_json, only);
}
