#include "control/api/event_source.hpp"

#include <boost/asio/steady_timer.hpp>

#include "control/api/json_out.hpp"

namespace sanad::api {
namespace {

constexpr std::size_t kLeavesPerPart = 100;

struct Follower : std::enable_shared_from_this<Follower> {
  Follower(boost::asio::io_context& io, service::Queries& q, std::uint64_t first, std::chrono::milliseconds silence)
      : queries(q), timer(io), from(first), quiet(silence) {}

  service::Queries& queries;
  boost::asio::steady_timer timer;
  std::uint64_t from;
  std::chrono::milliseconds quiet;
  std::uint64_t subscription = 0;
  std::function<void(BodySource::Part)> waiting{};  // set while the client waits for more
  bool asking = false;                              // leaves() has not called back yet
  bool news = false;                                // something was committed since it was asked

  void finish(BodySource::Part part) {
    timer.cancel();
    // Moved out first: the callback may ask for the next part at once.
    if (auto done = std::exchange(waiting, nullptr)) done(std::move(part));
  }

  void ask() {
    if (asking || !waiting) return;
    asking = true;
    news = false;
    queries.leaves(from, kLeavesPerPart, [weak = weak_from_this()](Result<std::vector<service::LeafView>> leaves) {
      if (const auto self = weak.lock()) self->take(std::move(leaves));
    });
  }

  void take(Result<std::vector<service::LeafView>> leaves) {
    asking = false;
    if (!waiting) return;  // the comment went out meanwhile; the next call asks again
    if (!leaves) return finish(BodySource::Part(leaves.error()));
    if (leaves->empty()) {
      if (news) ask();
      return;
    }
    std::string out;
    for (const service::LeafView& leaf : *leaves) {
      out += "id: " + std::to_string(leaf.index) + "\nevent: " + event_name(leaf) + "\ndata: " + leaf.leaf + "\n\n";
    }
    from = leaves->back().index + 1;
    finish(BodySource::Part(std::move(out)));
  }
};

class EventSource final : public BodySource {
 public:
  explicit EventSource(std::shared_ptr<Follower> follower) : follower_(std::move(follower)) {
    follower_->subscription = follower_->queries.subscribe([weak = std::weak_ptr<Follower>(follower_)] {
      const auto self = weak.lock();
      if (!self) return;
      self->news = true;
      self->ask();
    });
  }
  ~EventSource() override {
    follower_->queries.unsubscribe(follower_->subscription);
    follower_->timer.cancel();
  }
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;

  void next(std::function<void(Part)> done) override {
    follower_->waiting = std::move(done);
    follower_->timer.expires_after(follower_->quiet);
    follower_->timer.async_wait([weak = std::weak_ptr<Follower>(follower_)](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) self->finish(BodySource::Part(": nothing new\n\n"));
    });
    follower_->ask();
  }

 private:
  std::shared_ptr<Follower> follower_;  // shared with callbacks under way, weakly
};

}  // namespace

std::unique_ptr<BodySource> make_event_source(boost::asio::io_context& io, service::Queries& queries, std::uint64_t from,
                                              std::chrono::milliseconds quiet) {
  return std::make_unique<EventSource>(std::make_shared<Follower>(io, queries, from, quiet));
}

}  // namespace sanad::api
