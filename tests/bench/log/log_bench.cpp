// What evidence costs when it is published while it is made, against what the disk and the processor can do in the same minute.
// Arguments: [--seconds N] [--restart LEAVES] [DIRECTORY on the disk to measure] (default: 20, none, the temporary directory).
// Prints one JSON object.

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control/audit/ed25519.hpp"
#include "control/audit/ocsf.hpp"
#include "control/audit/proof.hpp"
#include "control/audit/publisher.hpp"
#include "control/audit/verifier.hpp"
#include "control/service/observation_record.hpp"
#include "control/service/published_log.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/unique_fd.hpp"
#include "gateway/sessions/session_id.hpp"

namespace sanad::service {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kWaiting = 1024;  // events that wait for their answer at a time
constexpr std::size_t kEventBytes = 500;
constexpr std::uint64_t kPeers = 4096;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Processor time of the whole process: on a shared machine it says more than the clock on the wall.
double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double percentile(std::vector<double>& values, double p) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1))];
}

// kPeers people with a peer each take turns, in an order that is nobody's.
struct Turn {
  std::string peer_id;
  std::string owner_id;
  IpAddress outer;
  std::uint16_t port = 0;
};

Turn turn(std::uint64_t number) {
  const auto who = static_cast<std::uint32_t>(number % kPeers * 0x9E3779B9U);
  const std::string name = std::to_string(who % 100'000'000);
  const std::string padding(13 - name.size(), 'a');
  const std::array<std::uint8_t, 4> outer{198, static_cast<std::uint8_t>(18 + (who >> 31)), static_cast<std::uint8_t>(who >> 8),
                                          static_cast<std::uint8_t>(who)};
  return {"p-" + padding + name, "o-" + padding + name, IpAddress::v4(outer), static_cast<std::uint16_t>(1 + number % 60'000)};
}

// An opened session as the tracker records it: about 500 bytes of leaf and three disclosures.
audit::EventDraft session_event(const Turn& turn) {
  static const audit::Reporter reporter{"bench-1", {}, {}, {}};
  // How much is missing to the size is the same for all; finding it out each time would be the bench's work, not the log's.
  static const std::string padding = [] {
    const auto bare = audit::own_event(reporter, now().wall, "bench", {});
    const std::size_t bytes = boost::json::serialize(bare.event).size() + 3 * 46 + 120;
    return std::string(bytes < kEventBytes ? kEventBytes - bytes : 0, 'x');
  }();
  audit::EventDraft draft = audit::own_event(reporter, now().wall, "bench", {});
  draft.event["padding"] = padding;
  draft.personal = {{"user.name", "Ayesha Khan", turn.owner_id},
                    {"src_endpoint.ip", boost::json::value(turn.outer.to_string()), turn.owner_id},
                    {"src_endpoint.port", turn.port, turn.owner_id}};
  return draft;
}

// Its row.
ledger::SessionRecord session_row(Turn turn) {
  ledger::SessionRecord row;
  row.id = sessions::new_session_id();
  row.peer_id = std::move(turn.peer_id);
  row.owner_id = std::move(turn.owner_id);
  row.interface = "wg0";
  row.inner = {IpPrefix::host(IpAddress::parse("10.0.0.2").value())};
  row.started = now().wall;
  row.endpoints = {{{turn.outer, turn.port}, row.started, 0}};
  row.boot_id = "00000000-0000-0000-0000-000000000000";
  row.device_identity = "kernel:7";
  return row;
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
  double cpu_us = 0;  // of all threads, an event
  double ack_p50 = 0, ack_p99 = 0;
  double covered_p99 = 0;
  std::uint64_t records = 0;
};

// `rows`: with the session's own row and its five indexes, as a session that opens; else the record and its disclosures alone.
Measured append(const std::filesystem::path& directory, double seconds, bool rows) {
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
  const double cpu = cpu_seconds();
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
  std::uint64_t sessions_made = 0;
  while (seconds_since(start) < seconds) {
    {
      std::unique_lock lock(mutex);
      // Half of them at a time: waking up for each answer would measure the two threads' waking each other.
      if (waiting == kWaiting) changed.wait(lock, [&] { return waiting <= kWaiting / 2; });
      ++waiting;
    }
    const auto submitted = Clock::now();
    Turn who = turn(sessions_made++);
    auto event = ledger::prepare(session_event(who)).value();
    ledger->submit<std::uint64_t>(
        [rows, event = std::move(event),
         row = session_row(std::move(who))](ledger::Transaction& txn) mutable -> Result<std::uint64_t> {
          if (!rows) return txn.append(event);
          row.opened_evidence = txn.next_index();
          row.endpoints.front().evidence = row.opened_evidence;
          if (auto opened = txn.open_session(row); !opened) return std::move(opened).error();
          return txn.append(event);
        },
        [&, submitted](Result<std::uint64_t> index) {
          const auto at = Clock::now();
          const std::lock_guard lock(mutex);
          --waiting;
          acks.push_back(std::chrono::duration<double>(at - submitted).count());
          if (acks.size() % 64 == 0) acknowledged.emplace_back(index.value(), at);
          if (waiting == kWaiting / 2 || waiting == 0) changed.notify_one();
        });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting == 0; });
    done = true;
  }
  Measured out;
  out.rate = static_cast<double>(acks.size()) / seconds_since(start);
  out.cpu_us = (cpu_seconds() - cpu) * 1e6 / static_cast<double>(acks.size());
  watcher.join();
  log.reset();
  ledger.reset();
  out.records = acks.size() + 1;
  out.ack_p50 = percentile(acks, 0.5);
  out.ack_p99 = percentile(acks, 0.99);
  out.covered_p99 = percentile(covered, 0.99);
  return out;
}

wg::PublicKey key_of(std::uint64_t peer) {
  std::array<std::uint8_t, wg::PublicKey::kSize> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(peer >> (8 * i));
  return wg::PublicKey(bytes);
}

void add_peers(ledger::Ledger& ledger) {
  std::promise<Result<void>> added;
  ledger.submit<void>(
      [](ledger::Transaction& txn) -> Result<void> {
        for (std::uint64_t i = 0; i < kPeers; ++i) {
          ledger::PeerRecord peer;
          peer.interface = "wg0";
          auto owner = txn.find_or_create_owner("Employee " + std::to_string(i), {}, {});
          if (!owner) return owner.error();
          peer.owner = *std::move(owner);
          peer.device = "laptop";
          peer.public_key = key_of(i);
          auto address = txn.allocate({"wg0", IpPrefix::parse("10.0.0.0/8").value(), {}, std::chrono::hours{720}});
          if (!address) return address.error();
          peer.allowed_ips = {IpPrefix::host(*address)};
          if (auto stored = txn.insert_peer(std::move(peer)); !stored) return stored.error();
        }
        return {};
      },
      [&added](Result<void> result) { added.set_value(std::move(result)); });
  added.get_future().get().value();
}

// Readings in each of which all peers were heard of for the first time: the daemon's own way from what it saw to rows and
// records, all of it on the storage thread, and with each peer's baseline.
double readings(const std::filesystem::path& directory, double seconds) {
  CommitSignal signal;
  ledger::LedgerOptions options;
  options.on_commit = [&signal](std::uint64_t, std::uint64_t) { signal.raise(); };
  auto ledger = ledger::Ledger::open(directory / "state.db", std::move(options)).value();
  auto log = PublishedLog::open(*ledger, signal, {directory, "bench-1"}).value();
  add_peers(*ledger);
  const RecordContext context{{"bench-1", {}, {}, {}}, "00000000-0000-0000-0000-000000000000", std::chrono::seconds{5}};
  std::uint64_t events = 0;
  const auto start = Clock::now();
  while (seconds_since(start) < seconds) {
    Observation seen;
    seen.interface = "wg0";
    seen.at = now();
    for (std::uint64_t i = 0; i < kPeers; ++i) {
      const Turn who = turn(i);
      sessions::Opened opened;
      opened.peer = key_of(i);
      opened.session = sessions::new_session_id();
      opened.start = seen.at.wall;
      opened.bounds = {seen.at.wall, seen.at.wall};
      opened.endpoint = Endpoint{who.outer, who.port};
      seen.events.emplace_back(opened);
      sessions::Baseline baseline;
      baseline.peer = opened.peer;
      seen.baselines.push_back(std::move(baseline));
    }
    std::promise<Result<void>> recorded;
    ledger->submit<void>([&](ledger::Transaction& txn) { return record_observation(txn, seen, context); },
                         [&recorded](Result<void> result) { recorded.set_value(std::move(result)); });
    recorded.get_future().get().value();
    events += kPeers;
  }
  return static_cast<double>(events) / seconds_since(start);
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

void prove(const std::filesystem::path& directory, boost::json::object& out) {
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
  out["proof_made_p99_ms"] = percentile(made, 0.99) * 1e3;
  out["proof_checked_p99_ms"] = percentile(checked, 0.99) * 1e3;
  out["proof_bytes"] = bytes;
}

// SQLite with one table of 500-byte rows and nothing else, a commit each 1,024 rows: what is left for the evidence itself.
double sqlite_alone(const std::filesystem::path& directory, double seconds) {
  const auto path = directory / "alone.db";
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE e(i INTEGER PRIMARY KEY, t BLOB)");
  SQLite::Statement insert(database, "INSERT INTO e(t) VALUES(?1)");
  const std::string event(kEventBytes, 'x');
  const auto start = Clock::now();
  std::uint64_t events = 0;
  while (seconds_since(start) < seconds) {
    SQLite::Transaction transaction(database);
    for (std::size_t i = 0; i < kWaiting; ++i) {
      insert.bindNoCopy(1, event);
      insert.exec();
      insert.reset();
    }
    transaction.commit();
    events += kWaiting;
  }
  return static_cast<double>(events) / seconds_since(start);
}

// What the tiles take beside the records themselves.
double merkle_bytes_a_leaf(const std::filesystem::path& directory, std::uint64_t leaves) {
  std::uint64_t bytes = 0;
  const auto tiles = log_directory(directory) / "tile";
  for (const auto& level : std::filesystem::directory_iterator(tiles)) {
    if (level.path().filename() == "entries") continue;
    for (const auto& file : std::filesystem::recursive_directory_iterator(level.path())) {
      if (file.is_regular_file()) bytes += file.file_size();
    }
  }
  return static_cast<double>(bytes) / static_cast<double>(leaves);
}

// Makes leaves up as they are asked for: a start looks at the tree's edge, never at the records.
class EndlessOutbox final : public audit::Outbox {
 public:
  explicit EndlessOutbox(std::uint64_t leaves) : leaves_(leaves) {}
  Result<std::string> signed_checkpoint() override { return note_; }
  Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) override {
    std::vector<std::string> out;
    for (; from < leaves_ && out.size() < limit; ++from) out.push_back("record " + std::to_string(from));
    return out;
  }
  Result<void> store_signed(const std::string& note, std::uint64_t /*size*/) override {
    note_ = note;
    return {};
  }
  Result<void> drop_below(std::uint64_t /*index*/) override { return {}; }
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  std::uint64_t leaves_;
  std::string note_;
};

// Seconds from opening the ledger until the log is at hand, with that many leaves published (whole bundles: the rest of one would
// have to be pending, too).
double restart(const std::filesystem::path& directory, std::uint64_t leaves) {
  CommitSignal signal;
  // A first start makes the key; then the log is made longer under it, outside.
  {
    auto ledger = ledger::Ledger::open(directory / "state.db").value();
    PublishedLog::open(*ledger, signal, {directory, "bench-1"}).value();
  }
  std::filesystem::remove_all(log_directory(directory));
  auto pem = read_secret_file(directory / "keys" / "log-1.key", 16 * 1024).value();
  audit::Signer signer{"sanad/bench-1", audit::ed25519_from_pem(pem).value()};
  EndlessOutbox outbox(leaves);
  audit::OneSigningKey keys(signer, {1, audit::verifier_of(signer).value()});
  audit::Publisher publisher(audit::LogStore::open(log_directory(directory)).value(), outbox, keys);
  while (publisher.publish(now().wall).value().more) {
  }
  {
    SQLite::Database database((directory / "state.db").string(), SQLite::OPEN_READWRITE);
    database.exec("DELETE FROM outbox");
    SQLite::Statement statement(database, "INSERT OR REPLACE INTO signed_log(id, size, note) VALUES(1, ?1, ?2)");
    statement.bind(1, static_cast<std::int64_t>(leaves));
    statement.bind(2, outbox.note());
    statement.exec();
  }
  const auto start = Clock::now();
  auto ledger = ledger::Ledger::open(directory / "state.db").value();
  auto log = PublishedLog::open(*ledger, signal, {directory, "bench-1"});
  const double seconds = seconds_since(start);
  if (!log) {
    std::fprintf(stderr, "log_bench: %s\n", log.error().message.c_str());
    std::exit(1);
  }
  return seconds;
}

int run(const std::filesystem::path& parent, double seconds, std::uint64_t restart_leaves) {
  std::string name = (parent / "sanad-log-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return std::perror("log_bench"), 1;
  const std::filesystem::path directory = name;
  boost::json::object out;
  const double before = probe(directory, 2);
  std::filesystem::create_directory(directory / "alone");
  const Measured alone = append(directory / "alone", seconds / 2, false);
  const Measured measured = append(directory, seconds, true);
  std::filesystem::create_directory(directory / "readings");
  out["readings_events_per_s"] = readings(directory / "readings", seconds / 4);
  out["probe_events_per_s"] = std::max(before, probe(directory, 2));
  out["sqlite_events_per_s"] = sqlite_alone(directory, 4);
  out["records_alone_per_s"] = alone.rate;
  out["records_alone_ack_p99_ms"] = alone.ack_p99 * 1e3;
  out["append_events_per_s"] = measured.rate;
  out["append_cpu_us"] = measured.cpu_us;
  out["ack_p50_ms"] = measured.ack_p50 * 1e3;
  out["ack_p99_ms"] = measured.ack_p99 * 1e3;
  out["covered_p99_ms"] = measured.covered_p99 * 1e3;
  out["leaves"] = measured.records;
  out["verify_one_core_per_s"] = verify(directory, 1);
  out["verify_two_cores_per_s"] = verify(directory, 2);
  out["merkle_bytes_a_leaf"] = merkle_bytes_a_leaf(directory, measured.records);
  prove(directory, out);
  if (restart_leaves > 0) {
    std::filesystem::create_directory(directory / "restart");
    restart_leaves -= restart_leaves % audit::kTileWidth;
    out["restart_leaves"] = restart_leaves;
    out["restart_s"] = restart(directory / "restart", restart_leaves);
  }
  std::filesystem::remove_all(directory);
  std::puts(boost::json::serialize(out).c_str());
  return 0;
}

}  // namespace
}  // namespace sanad::service

int main(int argc, char** argv) {
  std::filesystem::path directory = std::filesystem::temp_directory_path();
  double seconds = 20;
  std::uint64_t restart_leaves = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--seconds" && i + 1 < argc) {
      seconds = std::strtod(argv[++i], nullptr);
    } else if (argument == "--restart" && i + 1 < argc) {
      restart_leaves = std::strtoull(argv[++i], nullptr, 10);
    } else {
      directory = argument;
    }
  }
  return sanad::service::run(directory, seconds, restart_leaves);
}
