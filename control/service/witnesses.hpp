#pragma once
// Asks the configured witnesses to cosign the log's checkpoints, each at its own pace, and keeps what they answer. What a witness
// does, or does not, delays nobody: HTTP is asynchronous on the loop, files are the publisher's thread's.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "control/audit/cosigned.hpp"
#include "control/audit/witness_lane.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/url.hpp"

namespace sanad::service {

class Gateway;
class PublishedLog;

struct WitnessReply {
  unsigned status = 0;
  std::string body;
};

// What is around: the daemon wires it, tests bring their own.
struct WitnessPorts {
  // Runs a job on the one thread that writes the log's directory.
  std::function<void(std::function<void()>)> on_publisher;
  // One POST, bounded in time and size; the answer comes on the loop thread.
  std::function<void(const HttpUrl&, std::string body, std::function<void(Result<WitnessReply>)>)> post;
  std::function<std::uint64_t()> records;  // committed so far
  // A record of ours: an alarm.
  std::function<void(std::string name, boost::json::object details)> record;
};
// All but `post` and `on_publisher`, which know what the service does not.
WitnessPorts gateway_ports(Gateway& gateway);

// Loop thread.
class Witnesses final {
 public:
  Witnesses(boost::asio::io_context& loop, std::filesystem::path log, WitnessPorts ports);
  ~Witnesses();
  Witnesses(const Witnesses&) = delete;
  Witnesses& operator=(const Witnesses&) = delete;

  // Takes up new settings; a witness that stays goes on where it is. Writes log/policy. One whose key this program cannot read
  // is left out, with a message.
  void configure(const config::Evidence& evidence);
  void start();
  void stop();

  [[nodiscard]] std::vector<WitnessStatus> status() const;

 private:
  struct One;
  struct Prepared;
  void tick();
  void look_at(One& one);
  void tell(const One& one, audit::WitnessAlarm alarm);
  void restore(const std::shared_ptr<One>& one);
  void prepare(const std::shared_ptr<One>& one, std::uint64_t old_size);
  void ask(const std::shared_ptr<One>& one, Prepared prepared);
  void answered(const std::shared_ptr<One>& one, const Prepared& prepared, const Result<WitnessReply>& reply);
  void keep(const std::shared_ptr<One>& one, const Prepared& prepared, audit::Cosignature cosignature);
  void write_policy();
  template <class T>
  void on_publisher(std::function<T()> job, std::function<void(T)> done);

  boost::asio::io_context& loop_;
  std::filesystem::path log_;
  WitnessPorts ports_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<audit::CosignedFiles> files_;  // shared with jobs on the publisher's thread, where alone it is used
  std::vector<std::shared_ptr<One>> all_;        // shared with the rounds under way
  std::size_t needed_ = 0;                       // the quorum
  unsigned ticks_ = 0;
  bool running_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // shared with answers on their way
};

}  // namespace sanad::service
