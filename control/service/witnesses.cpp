#include "control/service/witnesses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "control/audit/checkpoint.hpp"
#include "control/audit/log_reader.hpp"
#include "control/service/gateway.hpp"
#include "gateway/base/log.hpp"

namespace sanad::service {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr unsigned kPolicyTicks = 60;  // a new log key gets into the policy within a minute

struct Checkpoint {
  std::string note;
  std::string text;
  std::uint64_t size = 0;
  std::vector<audit::Hash> proof;
};

// On the publisher's thread. The proof is empty when there is nothing to prove, or the log is smaller than `old_size`.
Result<Checkpoint> latest(const std::filesystem::path& log, std::uint64_t old_size) {
  const audit::LogReader reader(log);
  auto note = reader.checkpoint();
  if (!note) return std::move(note).error();
  const auto parsed = audit::parse_note(*note);
  if (!parsed) return parsed.error();
  const auto tree = audit::parse_checkpoint(parsed->text);
  if (!tree) return tree.error();
  Checkpoint out{{}, std::string(parsed->text), tree->size, {}};
  if (old_size < tree->size) {
    auto proof = audit::consistency_proof(old_size, tree->size, reader.nodes(tree->size));
    if (!proof) return std::move(proof).error();
    out.proof = *std::move(proof);
  }
  out.note = *std::move(note);
  return out;
}

Result<void> renew_policy(const std::filesystem::path& log, audit::CosignedFiles& files,
                          std::vector<audit::PolicyWitness> witnesses, std::size_t needed) {
  const auto keys = audit::LogReader(log).keys();
  if (!keys) return keys.error();
  std::vector<audit::PolicyLog> logs;
  for (const auto& epoch : *keys) {
    const bool known = std::any_of(logs.begin(), logs.end(), [&](const auto& one) { return one.key.key == epoch.key.key; });
    if (!known) logs.push_back({epoch.key, {}});
  }
  return files.write_policy(audit::simple_policy(std::move(logs), std::move(witnesses), needed));
}

const char* alarm_name(audit::WitnessAlarm alarm) {
  switch (alarm) {
    case audit::WitnessAlarm::none:
      return "recovered";
    case audit::WitnessAlarm::behind:
      return "behind";
    case audit::WitnessAlarm::refused:
      return "refused";
  }
  return "unknown";
}

}  // namespace

struct Witnesses::One {
  config::Witness settings;
  HttpUrl url;
  audit::WitnessLane lane;
  bool restored = false;  // what its file says is known
};

struct Witnesses::Prepared {
  Checkpoint checkpoint;
  std::uint64_t old_size = 0;
};

WitnessPorts gateway_ports(Gateway& gateway) {
  WitnessPorts ports;
  ports.records = [&gateway] { return gateway.ledger().state().leaves; };
  ports.record = [&gateway](std::string name, boost::json::object details) {
    gateway.recorder().record(1,
                              [about = gateway.reporter(), name = std::move(name),
                               details = std::move(details)](ledger::Transaction& txn) -> Result<void> {
                                auto index = txn.append(audit::own_event(about, txn.now().wall, name, details));
                                if (!index) return index.error();
                                return {};
                              });
  };
  return ports;
}

Witnesses::Witnesses(boost::asio::io_context& loop, std::filesystem::path log, WitnessPorts ports)
    : loop_(loop),
      log_(std::move(log)),
      ports_(std::move(ports)),
      timer_(loop),
      files_(std::make_shared<audit::CosignedFiles>(log_)) {}

Witnesses::~Witnesses() { *alive_ = false; }

// The answer to a job comes to the loop; when the loop or this object has ended by then, nobody hears it.
template <class T>
void Witnesses::on_publisher(std::function<T()> job, std::function<void(T)> done) {
  ports_.on_publisher([&loop = loop_, alive = alive_, job = std::move(job), done = std::move(done)] {
    auto held = std::make_shared<T>(job());  // shared: posting wants a copyable function
    boost::asio::post(loop, [alive, done, held] {
      if (*alive) done(std::move(*held));
    });
  });
}

void Witnesses::configure(const config::Evidence& evidence) {
  const audit::LaneSettings pace{evidence.push_interval, evidence.alarm_after};
  std::vector<std::shared_ptr<One>> next;
  for (const auto& settings : evidence.witnesses) {
    auto key = audit::parse_vkey(settings.key);
    auto url = parse_http_url(settings.url);
    if (!key || !url) {
      log::error("witness {} is left out: {}", settings.name, (key ? url.error() : key.error()).message);
      continue;
    }
    url->path += "/add-checkpoint";
    const auto same = std::find_if(all_.begin(), all_.end(), [&](const auto& one) { return one->lane.key() == *key; });
    auto one = same != all_.end() ? *same : std::make_shared<One>(One{{}, {}, {*std::move(key), pace, now()}});
    one->settings = settings;
    one->url = *std::move(url);
    one->lane.configure(pace);
    next.push_back(std::move(one));
  }
  all_ = std::move(next);
  needed_ = std::min<std::size_t>(evidence.quorum.value_or(all_.size()), all_.size());
  for (const auto& one : all_)
    if (!one->restored) restore(one);
  write_policy();
}

void Witnesses::start() {
  running_ = true;
  tick();
}

void Witnesses::stop() {
  running_ = false;
  timer_.cancel();
}

void Witnesses::tick() {
  if (!running_) return;
  const auto all = all_;
  for (const auto& one : all) {
    if (!one->restored) continue;
    look_at(*one);
    if (one->lane.due(ports_.records(), now().boot)) prepare(one, one->lane.begin(now().boot));
  }
  if (++ticks_ % kPolicyTicks == 0) write_policy();
  timer_.expires_after(kTick);
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) tick();
  });
}

void Witnesses::look_at(One& one) {
  if (const auto alarm = one.lane.observe(ports_.records(), now().boot)) tell(one, *alarm);
}

void Witnesses::tell(const One& one, audit::WitnessAlarm alarm) {
  const auto lag_s = std::chrono::duration_cast<std::chrono::seconds>(one.lane.lag(now().boot)).count();
  if (alarm == audit::WitnessAlarm::none) {
    log::info("witness {} has caught up", one.settings.name);
  } else {
    const std::uint64_t behind = one.lane.lag_records();
    log::error("witness {}: {} record{} not cosigned, the oldest for {} s{}{}", one.settings.name, behind, behind == 1 ? "" : "s",
               lag_s, one.lane.problem().empty() ? "" : ": ", one.lane.problem());
  }
  boost::json::object details{{"witness", one.settings.name},
                              {"state", alarm_name(alarm)},
                              {"records_behind", one.lane.lag_records()},
                              {"seconds_behind", lag_s}};
  if (alarm != audit::WitnessAlarm::none && !one.lane.problem().empty()) details["problem"] = one.lane.problem();
  if (const auto& cosigned = one.lane.cosigned()) details["cosigned_records"] = cosigned->size;
  ports_.record("witness", std::move(details));
}

void Witnesses::restore(const std::shared_ptr<One>& one) {
  using Found = std::optional<audit::CosignedCheckpoint>;
  on_publisher<Found>([files = files_, key = one->lane.key()] { return files->latest(key); },
                      [one](Found found) {
                        if (found && !one->restored) one->lane.restore(*found, now());
                        one->restored = true;
                      });
}

void Witnesses::prepare(const std::shared_ptr<One>& one, std::uint64_t old_size) {
  on_publisher<Result<Checkpoint>>([log = log_, old_size] { return latest(log, old_size); },
                                   [this, one, old_size](Result<Checkpoint> checkpoint) {
                                     const BootTime t = now().boot;
                                     if (!checkpoint) return one->lane.failed(checkpoint.error().message, t);
                                     if (old_size > checkpoint->size)
                                       return one->lane.log_is_smaller(old_size, checkpoint->size, t);
                                     const auto& cosigned = one->lane.cosigned();
                                     if (cosigned && cosigned->size == checkpoint->size && old_size == checkpoint->size)
                                       return one->lane.nothing_new(t);
                                     ask(one, {*std::move(checkpoint), old_size});
                                   });
}

void Witnesses::ask(const std::shared_ptr<One>& one, Prepared prepared) {
  std::string request = audit::add_checkpoint_text({prepared.old_size, prepared.checkpoint.proof, prepared.checkpoint.note});
  auto held = std::make_shared<const Prepared>(std::move(prepared));  // shared: the answer's function must be copyable
  ports_.post(one->url, std::move(request), [this, alive = alive_, one, held](Result<WitnessReply> reply) {
    if (*alive) answered(one, *held, reply);
  });
}

void Witnesses::answered(const std::shared_ptr<One>& one, const Prepared& prepared, const Result<WitnessReply>& reply) {
  const BootTime t = now().boot;
  if (!reply) {
    one->lane.failed(reply.error().message, t);
    return look_at(*one);
  }
  auto next =
      one->lane.answered(reply->status, reply->body, {prepared.old_size, prepared.checkpoint.size, prepared.checkpoint.text}, t);
  switch (next.what) {
    case audit::WitnessLane::Next::What::rest:
      // Another history is told now, not at the next look.
      return look_at(*one);
    case audit::WitnessLane::Next::What::ask_again:
      return prepare(one, next.old_size);
    case audit::WitnessLane::Next::What::keep:
      return keep(one, prepared, std::move(next.cosignature));
  }
}

void Witnesses::keep(const std::shared_ptr<One>& one, const Prepared& prepared, audit::Cosignature cosignature) {
  const audit::CosignedCheckpoint cosigned{prepared.checkpoint.size, cosignature.timestamp};
  on_publisher<Result<void>>([files = files_, key = one->lane.key(), note = prepared.checkpoint.note,
                              cosignature = std::move(cosignature)] { return files->add(note, key, cosignature, now().wall); },
                             [this, one, cosigned](Result<void> kept) {
                               if (kept) {
                                 one->lane.kept(cosigned, now().boot);
                               } else {
                                 one->lane.failed("what it cosigned couldn't be kept: " + kept.error().message, now().boot);
                               }
                               look_at(*one);
                             });
}

void Witnesses::write_policy() {
  std::vector<audit::PolicyWitness> witnesses;
  for (const auto& one : all_) witnesses.push_back({one->settings.name, one->lane.key(), one->settings.url});
  on_publisher<Result<void>>([log = log_, files = files_, witnesses = std::move(witnesses),
                              needed = needed_] { return renew_policy(log, *files, witnesses, needed); },
                             [](Result<void> written) {
                               if (!written) log::warn("couldn't write the log's policy: {}", written.error().message);
                             });
}

std::vector<WitnessStatus> Witnesses::status() const {
  const BootTime t = now().boot;
  std::vector<WitnessStatus> out;
  for (const auto& one : all_) {
    const auto& lane = one->lane;
    WitnessStatus status;
    status.name = one->settings.name;
    status.url = one->settings.url;
    if (const auto& cosigned = lane.cosigned()) {
      status.records = cosigned->size;
      status.cosigned_at = WallTime{static_cast<std::int64_t>(cosigned->timestamp) * 1'000'000'000};
    }
    status.lag_records = lane.lag_records();
    status.lag = lane.lag(t);
    status.alarm = lane.alarm() != audit::WitnessAlarm::none;
    status.problem = lane.problem();
    status.failures = lane.failures();
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace sanad::service
