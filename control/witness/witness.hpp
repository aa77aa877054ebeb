#pragma once
// A witness: decides (control/audit/witness_rules), remembers (store), cosigns. Knows no HTTP but its status codes.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/note.hpp"
#include "control/audit/witness_rules.hpp"
#include "control/witness/store.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::witness {

struct Answer {
  unsigned status = 200;
  std::string content_type{};
  std::string body{};
};

// One thread, so that requests are decided one after the other: comparing the old size and storing the new one are one step.
class Witness final {
 public:
  // `tell`: what its operator should know: a log that contradicts itself, a store that cannot be written. Only who holds a
  // trusted log's key can cause a line of it, or the disk.
  Witness(audit::Signer signer, std::vector<audit::WitnessedLog> logs, Store store, std::function<void(const std::string&)> tell);

  // The body of an add-checkpoint request. Blocks until what it cosigns is durable; 500 when that failed, and then nothing is
  // cosigned.
  Answer add_checkpoint(std::string_view request, WallTime now);
  // The latest cosigned checkpoint of the log whose origin has this SHA-256 (hex), for monitors.
  [[nodiscard]] Answer checkpoint(std::string_view origin_hash) const;

  // Takes the place of the logs known so far; what was cosigned is kept.
  void trust(std::vector<audit::WitnessedLog> logs) { logs_ = std::move(logs); }

 private:
  audit::Signer signer_;
  std::vector<audit::WitnessedLog> logs_;
  Store store_;
  std::function<void(const std::string&)> tell_;
};

}  // namespace sanad::witness
