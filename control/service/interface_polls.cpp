// How InterfaceLoop reads its device: polls, looks between them because of hints, and what of them is recorded.

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <utility>

#include "control/service/interface_loop.hpp"
#include "control/service/interface_rows.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

// By then the loop has looked at a part, or it never will.
constexpr std::chrono::seconds kStuckLoop{30};
// So many answers in a row that make no sense are an outage; fewer are a hiccup that the next poll makes up for.
constexpr unsigned kUnreadableIsDown = 3;

}  // namespace

// ---- Polls ----

void InterfaceLoop::schedule_poll(BootTime from) {
  const auto wait =
      std::max<std::chrono::nanoseconds>(sessions_.poll_interval - (now().boot - from), std::chrono::milliseconds{100});
  timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && life_ == Life::running) poll();
  });
}

void InterfaceLoop::poll() {
  if (loads_ > 0) {
    poll_again_ = true;
    return;
  }
  if (std::exchange(polling_, true)) return;
  device_.post([this, &loop = loop_, link_port = ports_.link, generation = generation_,
                read_device = reading_for_loop([this](wg::Snapshot& part) { take_part(part); })] {
    const auto read = read_device();
    LinkRepair link;
    if (read) {
      auto repaired = link_port->repair();
      if (repaired)
        link = std::move(*repaired);
      else
        link.problem = repaired.error().message;
    }
    boost::asio::post(loop, [this, generation, read, link = std::move(link)]() mutable {
      if (generation != generation_) return;
      polling_ = false;
      on_read(read, std::move(link));
    });
  });
}

// For the device worker: reads, and gives each part to `take` on the loop. All of them have been there before what is posted to
// the loop after this. The worker may run it when the interface is gone, so it looks at nothing of it.
std::function<Result<void>()> InterfaceLoop::reading_for_loop(TakePart take) {
  const auto on_loop = [this, take = std::move(take), generation = generation_](wg::Snapshot& part) {
    if (generation == generation_) take(part);
  };
  return [&loop = loop_, device = ports_.device, permits = parts_, on_loop] {
    return device->read([&loop, &permits, &on_loop](wg::Snapshot read) -> Result<void> {
      auto permit = permits.wait(kStuckLoop);
      if (!permit) return Error{Errc::timeout, "the daemon is too busy to look at what its device says"};
      struct OnTheWay {
        wg::Snapshot part;
        Permits::Permit permit;
      };
      auto way = std::make_shared<OnTheWay>(std::move(read), std::move(permit));  // shared: a posted function is copyable
      boost::asio::post(loop, [way = std::move(way), on_loop] { on_loop(way->part); });
      return {};
    });
  };
}

void InterfaceLoop::take_part(wg::Snapshot& part) {
  if (restored_) {
    sessions::RestoredState state;
    state.same_boot = restored_->same_boot;
    state.same_device = restored_->same_boot && restored_->identity == part.identity;
    state.last_snapshot = restored_->last_snapshot;
    state.created = created_;
    state.baselines = std::move(restored_->baselines);
    tracker_.restore(std::move(state));
    restored_.reset();
  }
  planner_.take(part);
  std::ranges::move(tracker_.observe(part), std::back_inserter(found_));
  if (!part.last) return;
  part.device.peers = {};
  reading_ = std::move(part);
}

// Of a link that went down: what its sessions end with. Nothing is planned from it; a long addition may be under way, whose marks
// are the planner's. Never looked at yet: nothing is known that could end.
void InterfaceLoop::take_figures(wg::Snapshot& part) {
  if (restored_) return;
  std::ranges::move(tracker_.observe(part), std::back_inserter(found_));
  if (!part.last) return;
  part.device.peers = {};
  reading_ = std::move(part);
}

void InterfaceLoop::on_read(const Result<void>& read, LinkRepair link) {
  ++status_.polls;
  if (!read) return on_unreadable(read.error());
  announce();
  note(reading_, std::move(link.problem));

  auto plan = planner_.finish(expected_for(reading_));
  settle_expected(reading_, plan);
  if (reading_.complete && !std::exchange(refused_again_, false)) refused_.clear();
  drop_told(plan.drift);
  auto observation = observe(reading_, plan, std::move(link.drift));
  status_.drift_total += observation.drift.size() + observation.link_drift.size();
  const bool stopping = life_ == Life::stopping;
  auto leave = stopping ? Departing{} : departing(plan);
  const bool worth_recording = observation.checkpoint || !observation.events.empty() || !observation.drift.empty() ||
                               !observation.link_drift.empty() || !observation.gone.empty();
  const bool more = plan.more && !stopping;
  if (!stopping) carry_out(plan);
  // Also when it holds nothing: behind it in the queue is behind the final figures of those who leave.
  if (worth_recording || !leave.empty() || stopping) {
    send(std::move(observation), [this, stopping, leave = std::move(leave)] {
      if (stopping) return finish_stop();
      remove_departed(leave);
    });
  }
  become_ready();
  if (stopping) return;
  pacer_.looked(reading_.started.boot, now().boot);
  schedule_look();
  if (more) {
    loaded_ = reconcile::kMostAdded;
    loading_since_ = loading_told_ = now().boot;
    return load_more();
  }
  if (std::exchange(poll_again_, false)) return poll();
  schedule_poll(reading_.started.boot);
}

// ---- Looks between polls, because of hints ----

void InterfaceLoop::handshake_hint(const wg::PublicKey& peer, BootTime at) {
  if (!tracker_.begins(peer, at)) return;
  ++status_.hints;
  pacer_.hint(at);
  schedule_look();
}

void InterfaceLoop::hints_lost(BootTime at) {
  pacer_.hint(at);
  schedule_look();
}

void InterfaceLoop::schedule_look() {
  const auto due = pacer_.due();
  if (!due || looking_ || life_ != Life::running) return;
  look_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(*due - now().boot));
  look_timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec && life_ == Life::running) look();
  });
}

void InterfaceLoop::look() {
  if (std::exchange(looking_, true)) return;
  device_.post([this, &loop = loop_, generation = generation_,
                read_device = reading_for_loop([this](wg::Snapshot& part) { glance_at(part); })] {
    const auto read = read_device();
    boost::asio::post(loop, [this, generation, read] {
      if (generation == generation_) on_look(read);
    });
  });
}

// Only the beginnings of sessions are taken from it: everything else, and what to make of an error, is the polls' business.
void InterfaceLoop::glance_at(wg::Snapshot& part) {
  std::ranges::move(tracker_.glance(part), std::back_inserter(found_));
  if (!part.last) return;
  part.device.peers = {};
  glance_ = std::move(part);
}

void InterfaceLoop::on_look(const Result<void>& read) {
  looking_ = false;
  if (read) {
    ++status_.looks;
    Observation out{.interface = settings_.name,
                    .at = glance_.finished,
                    .watched = watched_,
                    .kernel = kernel_,
                    .identity = glance_.identity,
                    .events = std::exchange(found_, {})};
    take_rows_of(tracker_, out.events, out.baselines, out.forgotten);
    if (!out.events.empty()) send(std::move(out), [] {});
  }
  pacer_.looked(read ? glance_.started.boot : now().boot, now().boot);
  schedule_look();
}

// A garbled or late answer proves nothing about any peer: nothing is concluded, the next poll asks again.
void InterfaceLoop::on_unreadable(const Error& error) {
  if (life_ == Life::stopping) {
    if (restored_) return finish_stop();
    Observation known{.interface = settings_.name, .at = now(), .watched = watched_, .kernel = kernel_};
    known.checkpoint = true;
    known.events = std::exchange(found_, {});
    take_checkpoint(known);
    return send(std::move(known), [this] { finish_stop(); });
  }
  if (error.code == Errc::not_found || error.code == Errc::unavailable || error.code == Errc::unsupported)
    return lose_backend(error.message);
  log::warn("{}: {}", settings_.name, error.message);
  status_.problem = error.message;
  if (++unreadable_ >= kUnreadableIsDown) {
    status_.state = "backend_down";
    if (!std::exchange(told_unavailable_, true))
      sinks_.backend(
          {.interface = settings_.name, .what = BackendChange::unavailable, .kernel = kernel_, .detail = error.message});
  }
  become_ready();
  poll_again_ = false;
  schedule_poll(now().boot);
}

void InterfaceLoop::note(const wg::Snapshot& snapshot, std::string link_problem) {
  if (!link_problem.empty() && link_problem != status_.problem) log::warn("{}: {}", settings_.name, link_problem);
  status_.problem = std::move(link_problem);
  if (watched_ && snapshot.started.boot - watched_->boot > 2 * sessions_.poll_interval) ++status_.late_polls;
  status_.last_snapshot = snapshot.finished.wall;
  status_.snapshot_ms = std::chrono::duration<double, std::milli>(snapshot.finished.boot - snapshot.started.boot).count();
  status_.interruptions += snapshot.interruptions;
}

Observation InterfaceLoop::observe(const wg::Snapshot& snapshot, const reconcile::Plan& plan,
                                   std::vector<std::string> link_drift) {
  Observation out{.interface = settings_.name, .at = snapshot.finished, .kernel = kernel_, .identity = snapshot.identity};
  if (snapshot.complete) watched_ = snapshot.started;
  out.watched = watched_;
  out.events = std::exchange(found_, {});
  out.drift = plan.drift;
  out.link_drift = std::move(link_drift);
  out.gone = plan.gone;
  for (const auto& key : plan.gone) {
    desired_.leaving.erase(key);
    leaving_reason_.erase(key);
    removing_.erase(key);
  }
  // Rows of one device must never be taken for another's: all change with the first snapshot of a new one.
  const bool other_device = std::exchange(identity_, snapshot.identity) != snapshot.identity;
  const bool due = !last_checkpoint_ || other_device || snapshot.finished.boot - *last_checkpoint_ >= sessions_.checkpoint;
  out.checkpoint = life_ == Life::stopping || other_device || (due && !checkpoint_waits_);
  if (out.checkpoint) {
    last_checkpoint_ = snapshot.finished.boot;
    take_checkpoint(out);
  } else {
    take_rows_of(tracker_, out.events, out.baselines, out.forgotten);
  }
  return out;
}

void InterfaceLoop::take_checkpoint(Observation& out) {
  auto dirty = tracker_.take_dirty();
  out.baselines = std::move(dirty.changed);
  out.forgotten = std::move(dirty.forgotten);
  if (rewrite_.empty()) return;
  for (const auto& row : out.baselines) rewrite_.erase(row.peer);
  for (const auto& key : std::exchange(rewrite_, {})) {
    if (auto row = tracker_.baseline(key))
      out.baselines.push_back(std::move(*row));
    else
      out.forgotten.push_back(key);
  }
}

void InterfaceLoop::send(Observation observation, std::function<void()> then) {
  const bool checkpoint = observation.checkpoint;
  checkpoint_waits_ |= checkpoint;
  std::vector<wg::PublicKey> rows = observation.forgotten;
  for (const auto& row : observation.baselines) rows.push_back(row.peer);
  sinks_.observed(std::move(observation), [this, checkpoint, rows = std::move(rows), then = std::move(then)](bool durable) {
    if (checkpoint) checkpoint_waits_ = false;
    if (!durable) rewrite_.insert(rows.begin(), rows.end());
    then();
  });
}

}  // namespace sanad::service
