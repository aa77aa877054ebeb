#pragma once
// Use cases on what must be kept and what must go: legal holds, erasure of a person, and the second admin's confirmation.
// Loop thread.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "control/ledger/custody.hpp"
#include "control/service/request.hpp"

namespace sanad::service {

class Gateway;

inline constexpr std::size_t kMaxReason = 500;             // bytes
inline constexpr std::chrono::minutes kConfirmWithin{15};  // README and API say the same
inline constexpr const char* kActErasure = "erasure";      // as access.dual_control names them
inline constexpr const char* kActRetention = "retention";
inline constexpr const char* kActHoldRelease = "hold_release";

// At least one of person, address and window; all given must fit.
struct NewHold {
  std::string person;  // owner id; empty: anybody
  std::optional<IpAddress> address;
  std::optional<WallTime> from;
  std::optional<WallTime> to;
  std::string reason;
  std::string approver;
  std::optional<WallTime> expires;
};

// An act that a second, different admin has to confirm before `expires`.
struct Waiting {
  std::string id;
  std::string act;
  WallTime expires;
  std::uint64_t evidence = 0;
};

struct Erased {
  std::string person;
  WallTime at;
  std::uint64_t evidence = 0;     // the first record of it
  std::uint64_t disclosures = 0;  // of records; 0 when it was done before
  std::uint64_t addresses = 0;    // of sessions
  bool overwritten = true;        // false: copies stand in the write-ahead log until `why_not` is over; tried every minute
  std::string why_not;
};

struct Released {
  std::string hold;
  std::uint64_t evidence = 0;
};

struct Confirmed {
  std::string act;
  std::uint64_t evidence = 0;
  std::optional<Erased> erased;
};

template <class T>
using NowOrWaiting = std::variant<T, Waiting>;

class Custody {
 public:
  explicit Custody(Gateway& gateway) : gateway_(gateway) {}

  // Errors: invalid_argument (field named), not_found (person).
  void add_hold(Caller caller, NewHold hold, Done<Changed<ledger::Hold>> done);
  void holds(Done<std::vector<ledger::Hold>> done);
  // Errors: not_found.
  void release_hold(Caller caller, std::string id, Done<NowOrWaiting<Released>> done);

  // Answers when the person is in no file of the state directory any more, or says what still stands in the way of that. Erasing
  // somebody who was erased answers what was done then. Errors: not_found; conflict (the person has devices in service);
  // unavailable (their last session is being closed; storage); refused_by_policy (a hold, which is named; recorded);
  // invalid_argument (the reason names the person: it is kept).
  void erase(Caller caller, std::string person, std::string reason, Done<NowOrWaiting<Erased>> done);
  // Carries on what a kill or a full disk interrupted. `idle`: nothing is left.
  void resume_erasures(std::function<void(bool idle)> done);

  void confirmations(Done<std::vector<ledger::Confirmation>> done);
  // Errors: not_found; refused_by_policy (the same user asked for it, or 15 minutes have passed; recorded); those of the act.
  void confirm(Caller caller, std::string id, Done<Confirmed> done);

 private:
  // The rows that the first step has left, in bounded steps; then what overwrites them.
  void carry_on(Erased so_far, Done<Erased> done);

  Gateway& gateway_;
};

}  // namespace sanad::service
