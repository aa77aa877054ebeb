#include "control/service/published_log.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "control/audit/origin.hpp"
#include "control/ledger/custody.hpp"
#include "control/service/ledger_outbox.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/thread_priority.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::seconds kRetry{1};

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
  auto keys = LogKeys::open(ledger, {settings.state_dir, settings.gateway_id, settings.epoch});
  if (!keys) return std::move(keys).error();
  auto store = audit::LogStore::open(log_directory(settings.state_dir));
  if (!store) return std::move(store).error();
  auto outbox = std::make_unique<LedgerOutbox>(ledger, (*keys)->first_record());
  auto log = std::unique_ptr<PublishedLog>(new PublishedLog(std::move(outbox), *std::move(keys), signal, *std::move(store),
                                                            settings.pace, std::move(settings.on_rotated)));
  // One step: a long backlog must not keep the gateway from serving.
  auto published = log->publisher_.publish(now().wall);
  if (!published && !may_pass(published.error())) return std::move(published).error();
  if (published) log->signed_size_ = published->checkpoint.size;
  log->tell(published ? Result<void>() : Result<void>(published.error()));
  // From here on publisher and keys are the thread's alone.
  log->thread_ = std::thread([raw = log.get()] { raw->run(); });
  signal.raise();
  return log;
}

PublishedLog::PublishedLog(std::unique_ptr<audit::Outbox> outbox, std::unique_ptr<LogKeys> keys, CommitSignal& signal,
                           audit::LogStore store, std::chrono::nanoseconds pace, std::function<void()> on_rotated)
    : outbox_(std::move(outbox)),
      keys_(std::move(keys)),
      signal_(signal),
      pace_(pace),
      on_rotated_(std::move(on_rotated)),
      publisher_(std::move(store), *outbox_, *keys_) {}

PublishedLog::~PublishedLog() {
  if (!thread_.joinable()) return;
  signal_.stop();
  thread_.join();
  for (auto& request : take_requests()) request.done(Error{Errc::unavailable, "the gateway is stopping"});
}

void PublishedLog::rotate_key(std::optional<audit::EventDraft> by, std::function<void(Result<RotatedKey>)> done) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back({std::move(by), std::move(done)});
  }
  signal_.raise();
}

LogState PublishedLog::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void PublishedLog::run() {
  pthread_setname_np(pthread_self(), "publisher");
  run_behind_others();
  for (bool going = true; going;) {
    going = signal_.wait();
    change_keys();
    auto published = publish_all();
    tell(published);
    if (going) run_jobs();
    // Another try at a broken store is what must not be made.
    const bool again = !published && !publisher_.broken();
    if (again) signal_.raise();
    going = going && signal_.rest(again ? kRetry : pace_);
    // What was committed while it rested, or while it was told to stop, is published by the next round or here.
    if (!going) tell(publish_all());
  }
}

void PublishedLog::post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  signal_.raise();
}

void PublishedLog::run_jobs() {
  std::vector<std::function<void()>> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(jobs_);
  }
  for (const auto& job : jobs) job();
}

std::vector<PublishedLog::Request> PublishedLog::take_requests() {
  const std::lock_guard lock(mutex_);
  return std::exchange(requests_, {});
}

// The announcement is published right after, so that the next key soon signs.
void PublishedLog::change_keys() {
  for (auto& request : take_requests()) {
    // One checkpoint between two changes is all it takes.
    if (!keys_->signs_after(signed_size_)) (void)publish_all();
    request.done(keys_->rotate(now().wall, signed_size_, request.by));
  }
  if (!keys_->due(now().wall) || !keys_->signs_after(signed_size_)) return;
  auto rotated = keys_->rotate(now().wall, signed_size_, std::nullopt);
  if (!rotated) return log::warn("{}; it is tried again", rotated.error().message);
  if (on_rotated_) on_rotated_();
}

Result<void> PublishedLog::publish_all() {
  if (auto fresh = keys_->refresh(); !fresh) return fresh;
  for (;;) {
    auto published = publisher_.publish(now().wall);
    if (!published) return std::move(published).error();
    signed_size_ = published->checkpoint.size;
    if (!published->more) break;
  }
  if (auto destroyed = keys_->destroy_ended(signed_size_); !destroyed) {
    log::warn("{}; it is tried again", destroyed.error().message);
  }
  return {};
}

void PublishedLog::tell(const Result<void>& outcome) {
  const std::string problem = outcome ? std::string() : outcome.error().message;
  std::string before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(state_.problem, problem);
    state_.epoch = keys_->current().epoch;
  }
  if (problem == before) return;
  if (outcome) {
    log::info("the log is published again");
  } else {
    log::error("the log cannot be published: {}{}{}; records are kept and published later", problem,
               outcome.error().hint.empty() ? "" : ". ", outcome.error().hint);
  }
}

Result<std::uint64_t> first_record(ledger::Transaction& txn) {
  const auto keys = txn.log_keys();
  if (keys.empty()) return 0;
  const auto key = audit::parse_vkey(keys.back().vkey);
  if (!key) return key.error();
  return audit::first_record_of(key->name);
}

Result<std::vector<ledger::StoredLeaf>> read_leaves(ledger::Transaction& txn, const std::filesystem::path& log,
                                                    std::uint64_t from, std::size_t limit) {
  std::vector<ledger::StoredLeaf> out;
  const std::uint64_t pending = txn.first_pending_leaf();
  const auto began = first_record(txn);
  if (!began) return began.error();
  const std::uint64_t first = *began;
  const audit::LogReader reader(log);
  audit::Bundle bundle;
  // What is past retention may be gone at any moment.
  std::uint64_t at = std::max({from, first, ledger::Custody(txn).retention().minimum});
  while (at < pending && out.size() < limit) {
    // What was dropped lies in full bundles.
    if (auto read = reader.entries((at - first) / audit::kTileWidth, audit::kTileWidth, bundle); !read)
      return std::move(read).error();
    do {
      const auto entry = bundle.entries[(at - first) % audit::kTileWidth];
      out.push_back({at, {entry.begin(), entry.end()}, txn.disclosures_of(at)});
      ++at;
    } while ((at - first) % audit::kTileWidth != 0 && at < pending && out.size() < limit);
  }
  if (out.size() < limit) {
    for (auto& leaf : txn.leaves(at, limit - out.size(), true)) out.push_back(std::move(leaf));
  }
  return out;
}

}  // namespace sanad::service
