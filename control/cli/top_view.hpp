#pragma once
// What `sanad top` draws: rates from successive figures, the busiest peers first. Pure.

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <vector>

#include "gateway/base/clock.hpp"

namespace sanad::cli {

class Rates final {
 public:
  struct Row {
    std::string name, device, from;
    std::int64_t rx_bytes = 0, tx_bytes = 0;
    double rx_per_s = 0, tx_per_s = 0;
    std::chrono::nanoseconds connected{};
  };
  // The connected peers of `peers`, fastest first, then by what they moved. The daemon's figures change once a poll: a rate is
  // taken between two changes and kept until the next, and fades when none comes for kFade.
  std::vector<Row> update(const std::vector<boost::json::value>& peers, Instant now);

 private:
  static constexpr std::chrono::seconds kFade{30};
  struct Figures {
    std::string session;
    std::int64_t rx = 0, tx = 0;
    BootTime changed;
    double rx_per_s = 0, tx_per_s = 0;
  };
  std::map<std::string, Figures> figures_;  // by peer id; only those now connected
};

std::string top_table(const std::vector<Rates::Row>& rows, std::size_t most);

}  // namespace sanad::cli
