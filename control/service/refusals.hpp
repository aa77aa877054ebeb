#pragma once

#include <map>
#include <string>

#include "control/service/request.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::service {

class Gateway;

// Refused calls, as evidence. Above kPerMinute a uid's refusals are only counted, and the count is one leaf a minute: nobody
// without a role can fill the disk. Loop thread.
class Refusals {
 public:
  explicit Refusals(Gateway& gateway) : gateway_(gateway) {}
  // `operation`: the route ("POST /v1/peers"), never the raw path; `why`: a short reason of ours.
  void record(const Caller& caller, std::string operation, std::string target, std::string why);
  // Records the counts of the minutes that are over. Once a minute, by the owner; with `all`, also of the one that runs (at
  // stop).
  void settle(bool all = false);

 private:
  void tell(uid_t uid, unsigned count);

  static constexpr unsigned kPerMinute = 30;
  struct Window {
    BootTime began;
    unsigned recorded = 0;
    unsigned counted = 0;
  };
  Gateway& gateway_;
  std::map<uid_t, Window> windows_;
};

}  // namespace sanad::service
