#include "control/service/published_log.hpp"

#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <utility>

#include "control/audit/ocsf.hpp"
#include "control/ledger/custody.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::seconds kRetry{1};
// A bundle of the largest records has 16 MiB; what is handed over at once stays in that order.
constexpr std::size_t kManyBytes = 8U << 20;
constexpr std::uint64_t kDropAtOnce = 2'048;
constexpr std::size_t kMaxKeyFile = 16 * 1024;

template <class T>
Result<T> change(ledger::Ledger& ledger, std::function<Result<T>(ledger::Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.submit<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

template <class T>
Result<T> ask(ledger::Ledger& ledger, std::function<Result<T>(ledger::Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.query<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

// Each step asks for the next. What fails is dropped with the leaves of a later checkpoint.
void drop_some(ledger::Ledger& ledger, std::uint64_t index) {
  ledger.submit<bool>(
      [index](ledger::Transaction& txn) -> Result<bool> {
        const std::uint64_t to = std::min(index, txn.first_pending_leaf() + kDropAtOnce);
        if (auto dropped = txn.drop_leaves_below(to); !dropped) return std::move(dropped).error();
        return to < index;
      },
      [&ledger, index](const Result<bool>& more) {
        if (more && *more) drop_some(ledger, index);
      });
}

class LedgerOutbox final : public audit::Outbox {
 public:
  explicit LedgerOutbox(ledger::Ledger& ledger) : ledger_(ledger) {}

  Result<std::string> signed_checkpoint() override {
    return ask<std::string>(ledger_, [](ledger::Transaction& txn) -> Result<std::string> { return txn.signed_log().note; });
  }
  Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) override {
    if (auto recent = ledger_.take_recent_leaves(from, limit); !recent.empty()) return recent;
    return ask<std::vector<std::string>>(ledger_, [from, limit](ledger::Transaction& txn) -> Result<std::vector<std::string>> {
      std::vector<std::string> out;
      std::size_t bytes = 0;
      while (out.size() < limit && bytes < kManyBytes) {
        auto leaves = txn.leaves(from + out.size(), std::min<std::size_t>(limit - out.size(), audit::kTileWidth), false);
        if (leaves.empty()) break;
        for (auto& leaf : leaves) {
          if (leaf.index != from + out.size()) {
            return Error{Errc::corrupt,
                         "record " + std::to_string(from + out.size()) + " is missing from state.db",
                         {},
                         "restore the state directory from a backup"};
          }
          bytes += leaf.bytes.size();
          out.push_back(std::move(leaf.bytes));
        }
      }
      return out;
    });
  }
  Result<void> store_signed(const std::string& note, std::uint64_t size) override {
    return change<void>(ledger_, [&note, size](ledger::Transaction& txn) { return txn.store_signed_log({size, note}); });
  }
  // In small steps: deleting overwrites (secure_delete), and whoever waits for a commit must not wait for all of it. Nor does the
  // publisher wait: while much is written each step takes as long as a full commit, and a checkpoint is due.
  Result<void> drop_below(std::uint64_t index) override {
    drop_some(ledger_, index);
    return {};
  }

 private:
  ledger::Ledger& ledger_;
};

void wipe_text(std::string& text) { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }

std::filesystem::path key_file(const std::filesystem::path& state_dir, std::uint64_t epoch) {
  return state_dir / "keys" / ("log-" + std::to_string(epoch) + ".key");
}

Result<Secret32> read_key(const std::filesystem::path& file) {
  auto pem = read_secret_file(file, kMaxKeyFile);
  if (!pem) return std::move(pem).error();
  auto seed = audit::ed25519_from_pem(*pem);
  wipe_text(*pem);
  if (!seed) return std::move(seed).error().within(file.string());
  return seed;
}

Result<Secret32> make_key(const std::filesystem::path& file) {
  const auto directory = file.parent_path();
  if (::mkdir(directory.c_str(), 0700) == 0) {
    if (auto done = fsync_directory(directory.parent_path()); !done) return std::move(done).error();
  } else if (errno != EEXIST) {
    return from_errno(errno, "couldn't make " + directory.string());
  }
  auto seed = audit::generate_ed25519();
  if (!seed) return seed;
  auto pem = audit::ed25519_to_pem(*seed);
  if (!pem) return std::move(pem).error();
  auto written = write_file_durably(file, *pem, 0600);
  wipe_text(*pem);
  if (!written) return std::move(written).error();
  return seed;
}

struct Recorded {
  std::vector<ledger::LogKey> keys;
  std::uint64_t epoch = 1;
};

Result<Recorded> recorded_keys(ledger::Ledger& ledger) {
  return ask<Recorded>(ledger, [](ledger::Transaction& txn) -> Result<Recorded> {
    return Recorded{txn.log_keys(), std::stoull(txn.meta(ledger::kMetaEpoch).value_or("1"))};
  });
}

// The key is recorded in the same commit as the leaf that announces it.
Result<void> record_key(ledger::Ledger& ledger, const std::string& gateway_id, ledger::LogKey key) {
  return change<void>(ledger, [&](ledger::Transaction& txn) -> Result<void> {
    txn.put_log_key(key);
    boost::json::object details{{"epoch", key.epoch}, {"key", key.vkey}};
    const audit::Reporter reporter{gateway_id, {}, {}, read_clock_sync()};
    auto index = txn.append(audit::own_event(reporter, txn.now().wall, "log_key", std::move(details)));
    if (!index) return std::move(index).error();
    return {};
  });
}

struct LoadedKeys {
  audit::PublisherKeys keys;
  std::vector<audit::EpochKey> by_epoch;
};

Result<LoadedKeys> load_keys(ledger::Ledger& ledger, const PublishedLogSettings& settings) {
  auto recorded = recorded_keys(ledger);
  if (!recorded) return std::move(recorded).error();
  LoadedKeys loaded;
  for (const auto& key : recorded->keys) {
    auto vkey = audit::parse_vkey(key.vkey);
    if (!vkey) return std::move(vkey).error().within("the log key recorded for epoch " + std::to_string(key.epoch));
    loaded.by_epoch.push_back({key.epoch, *std::move(vkey)});
    loaded.keys.known.push_back(loaded.by_epoch.back().key);
  }
  const bool first = loaded.by_epoch.empty();
  loaded.keys.signer.name = first ? "sanad/" + settings.gateway_id : loaded.by_epoch.back().key.name;
  const auto file = key_file(settings.state_dir, recorded->epoch);
  auto seed = read_key(file);
  // A key made by a start that was killed before it was recorded is used; one that was recorded and is gone is not replaced: the
  // log would go on under a key that nobody announced.
  if (!seed && seed.error().code == Errc::not_found && first) seed = make_key(file);
  if (!seed) {
    Error error = std::move(seed).error().within("couldn't read the log's signing key");
    if (error.hint.empty()) error.hint = "put the file back from a backup; without it the log cannot go on under its own name";
    return error;
  }
  loaded.keys.signer.seed = *seed;
  auto verifier = audit::verifier_of(loaded.keys.signer);
  if (!verifier) return std::move(verifier).error();
  if (first) {
    if (auto done = record_key(ledger, settings.gateway_id, {recorded->epoch, audit::to_vkey(*verifier)}); !done) {
      return std::move(done).error().within("couldn't record the log's signing key");
    }
    loaded.by_epoch.push_back({recorded->epoch, *verifier});
    loaded.keys.known.push_back(*verifier);
  } else if (loaded.by_epoch.back().key != *verifier) {
    return Error{Errc::corrupt,
                 file.string() + " is not the key that was recorded for the log",
                 {},
                 "put the right file back from a backup"};
  }
  return loaded;
}

bool may_pass(const Error& error) { return error.code != Errc::corrupt && error.code != Errc::permission_denied; }

}  // namespace

void CommitSignal::raise() {
  const std::lock_guard lock(mutex_);
  raised_ = true;
  changed_.notify_all();
}

void CommitSignal::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

bool CommitSignal::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return raised_ || stopping_; });
  raised_ = false;
  return !stopping_;
}

bool CommitSignal::rest(std::chrono::nanoseconds pause) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, pause, [this] { return stopping_; });
}

Result<std::unique_ptr<PublishedLog>> PublishedLog::open(ledger::Ledger& ledger, CommitSignal& signal,
                                                         PublishedLogSettings settings) {
  auto loaded = load_keys(ledger, settings);
  if (!loaded) return std::move(loaded).error();
  auto store = audit::LogStore::open(log_directory(settings.state_dir));
  if (!store) return std::move(store).error();
  if (auto written = store->write_keys(audit::log_keys_text(loaded->by_epoch)); !written) {
    if (!may_pass(written.error())) return std::move(written).error();
    log::warn("{}", written.error().message);
  }
  auto log = std::unique_ptr<PublishedLog>(new PublishedLog(std::make_unique<LedgerOutbox>(ledger), signal, *std::move(store),
                                                            std::move(loaded->keys), settings.pace));
  // One step: a long backlog must not keep the gateway from serving.
  auto published = log->publisher_.publish(now().wall);
  if (!published && !may_pass(published.error())) return std::move(published).error();
  log->tell(published ? Result<void>() : Result<void>(published.error()));
  // From here on the publisher is the thread's alone.
  log->thread_ = std::thread([raw = log.get()] { raw->run(); });
  if (!published || published->more) signal.raise();
  return log;
}

PublishedLog::PublishedLog(std::unique_ptr<audit::Outbox> outbox, CommitSignal& signal, audit::LogStore store,
                           audit::PublisherKeys keys, std::chrono::nanoseconds pace)
    : outbox_(std::move(outbox)), signal_(signal), pace_(pace), publisher_(std::move(store), *outbox_, std::move(keys)) {}

PublishedLog::~PublishedLog() {
  if (!thread_.joinable()) return;
  signal_.stop();
  thread_.join();
}

void PublishedLog::run() {
  pthread_setname_np(pthread_self(), "publisher");
  for (bool going = true; going;) {
    going = signal_.wait();
    auto published = publish_all();
    tell(published);
    if (going) run_jobs();
    if (!published) {
      signal_.raise();
      going = going && signal_.rest(kRetry);
    } else {
      going = going && signal_.rest(pace_);
    }
    // What was committed while it rested, or while it was told to stop, is published by the next round or here.
    if (!going) tell(publish_all());
  }
}

void PublishedLog::post(std::function<void()> job) {
  {
    const std::lock_guard lock(jobs_mutex_);
    jobs_.push_back(std::move(job));
  }
  signal_.raise();
}

void PublishedLog::run_jobs() {
  std::vector<std::function<void()>> jobs;
  {
    const std::lock_guard lock(jobs_mutex_);
    jobs.swap(jobs_);
  }
  for (const auto& job : jobs) job();
}

Result<void> PublishedLog::publish_all() {
  for (;;) {
    auto published = publisher_.publish(now().wall);
    if (!published) return std::move(published).error();
    if (!published->more) return {};
  }
}

void PublishedLog::tell(const Result<void>& outcome) {
  const std::string problem = outcome ? std::string() : outcome.error().message;
  if (problem == problem_) return;
  if (outcome) {
    log::info("the log is published again");
  } else {
    log::error("the log cannot be published: {}{}{}; records are kept and published later", problem,
               outcome.error().hint.empty() ? "" : ". ", outcome.error().hint);
  }
  problem_ = problem;
}

Result<std::vector<ledger::StoredLeaf>> read_leaves(ledger::Transaction& txn, const std::filesystem::path& log,
                                                    std::uint64_t from, std::size_t limit) {
  std::vector<ledger::StoredLeaf> out;
  const std::uint64_t pending = txn.first_pending_leaf();
  const audit::LogReader reader(log);
  audit::Bundle bundle;
  // What is past retention may be gone at any moment.
  std::uint64_t at = std::max(from, ledger::Custody(txn).retention().minimum);
  while (at < pending && out.size() < limit) {
    // Leaves are dropped by whole bundles only.
    if (auto read = reader.entries(at / audit::kTileWidth, audit::kTileWidth, bundle); !read) return std::move(read).error();
    do {
      const auto entry = bundle.entries[at % audit::kTileWidth];
      out.push_back({at, {entry.begin(), entry.end()}, txn.disclosures_of(at)});
      ++at;
    } while (at % audit::kTileWidth != 0 && at < pending && out.size() < limit);
  }
  if (out.size() < limit) {
    for (auto& leaf : txn.leaves(at, limit - out.size(), true)) out.push_back(std::move(leaf));
  }
  return out;
}

}  // namespace sanad::service
