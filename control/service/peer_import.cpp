#include "control/service/peer_import.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <utility>

#include "control/service/gateway.hpp"
#include "control/service/peer_addition.hpp"
#include "gateway/base/memory.hpp"

namespace sanad::service {
namespace {

// Feeds an import to the ledger a window at a time, so that other changes get between. The device is served at the end: a backend
// at work takes processor time from the records, and nothing is answered before all of them are durable.
class Import : public std::enable_shared_from_this<Import> {
 public:
  Import(Gateway& gateway, Caller caller, std::vector<ImportLine> lines, Done<ImportReport> done)
      : gateway_(gateway), caller_(std::move(caller)), lines_(std::move(lines)), done_(std::move(done)), began_(now().boot) {}

  // Two windows wait at the ledger, so that this thread prepares one while the storage thread writes the other.
  void next_lines() {
    for (; next_ < lines_.size() && waiting_ < 2 * kWindow; ++next_) {
      ++waiting_;
      start(lines_[next_]);
    }
    if (waiting_ == 0) finish();
  }

  void all_or_nothing() {
    struct Numbered {
      std::size_t line;
      AddJob job;
    };
    auto jobs = std::make_shared<std::vector<Numbered>>();  // shared: the job is a std::function, which wants it copyable
    jobs->reserve(lines_.size());
    for (auto& line : lines_) {
      auto job = line.peer ? prepare(std::move(*line.peer)) : Result<AddJob>(line.peer.error());
      if (!job) return done_(at_line(line.line, job.error()));
      jobs->push_back({line.line, std::move(*job)});
    }
    using All = std::vector<Stored>;
    auto self = shared_from_this();
    gateway_.change<All>(
        [jobs](ledger::Transaction& txn) -> Result<All> {
          All all;
          all.reserve(jobs->size());
          for (const auto& [line, job] : *jobs) {
            auto stored = job(txn);
            if (!stored) return at_line(line, stored.error());
            all.push_back(std::move(*stored));
          }
          return all;
        },
        [self](Result<All> all) {
          if (!all) return self->done_(all.error());
          for (std::size_t i = 0; i < all->size(); ++i) self->accept(self->lines_[i].line, std::move((*all)[i]));
          self->finish();
        });
  }

 private:
  static constexpr std::size_t kWindow = 1024;

  static Error at_line(std::size_t line, Error error) {
    error.message = "line " + std::to_string(line) + ": " + error.message + "; nothing was added";
    return error;
  }

  Result<AddJob> prepare(NewPeer input) {
    if (!input.public_key)
      return Error{Errc::invalid_argument, "an import brings the clients' public keys", "public_key",
                   "a key made here is shown once, by peer add"};
    const std::string place = place_for(gateway_, input);
    auto& context = contexts_[place];
    if (!context) {
      auto made = add_context(gateway_, caller_, place);
      if (!made) return made.error();
      context = *std::move(made);
    }
    return prepare_add(context, std::move(input));
  }

  void start(ImportLine& line) {
    auto job = line.peer ? prepare(std::move(*line.peer)) : Result<AddJob>(line.peer.error());
    auto self = shared_from_this();
    auto finished = [self, number = line.line](Result<Stored> stored) {
      if (stored) {
        self->accept(number, std::move(*stored));
      } else {
        ++self->report_.failed;
        self->report_.lines.push_back({number, stored.error()});
      }
      --self->waiting_;
      self->next_lines();
    };
    if (!job) {
      boost::asio::post(gateway_.loop(), [finished, error = job.error()] { finished(error); });
      return;
    }
    gateway_.change<Stored>(std::move(*job), std::move(finished));
  }

  void accept(std::size_t line, Stored stored) {
    ++report_.added;
    PeerAdded added;
    added.evidence = stored.evidence;
    stored_.push_back(stored.peer);
    added.peer = view_of(gateway_, std::move(stored.peer), std::nullopt);
    report_.lines.push_back({line, std::move(added)});
  }

  void finish() {
    report_.database = std::chrono::duration_cast<std::chrono::microseconds>(now().boot - began_);
    std::sort(report_.lines.begin(), report_.lines.end(),
              [](const ImportResult& a, const ImportResult& b) { return a.line < b.line; });
    gateway_.put_in_force(std::exchange(stored_, {}));
    gateway_.due_changed();
    // Behind the device's work, when the answer has been taken away: what so many lines needed goes back to the system.
    gateway_.device().post(give_back_free_memory);
    done_(std::move(report_));
  }

  Gateway& gateway_;
  Caller caller_;
  std::vector<ImportLine> lines_;
  Done<ImportReport> done_;
  BootTime began_;
  ImportReport report_;
  std::vector<ledger::PeerRecord> stored_;
  std::map<std::string, std::shared_ptr<const AddContext>> contexts_;  // by interface
  std::size_t next_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace

void import_peers(Gateway& gateway, Caller caller, std::vector<ImportLine> lines, bool atomic, Done<ImportReport> done) {
  auto run =
      std::make_shared<Import>(gateway, std::move(caller), std::move(lines), std::move(done));  // shared by its own callbacks
  if (atomic)
    run->all_or_nothing();
  else
    run->next_lines();
}

}  // namespace sanad::service
