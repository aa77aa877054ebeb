#pragma once
// An event made ready for the ledger by whoever submits it: the storage thread, which everybody waits for, then writes two rows
// and nothing else.

#include <string>
#include <vector>

#include "control/audit/leaf.hpp"

namespace sanad::ledger {

struct PreparedEvent {
  // One person's share of the disclosures, as the `disclosures` table keeps them.
  struct Personal {
    std::string owner_id;
    std::string items;  // [["salt","name",value],...]: the arrays RFC 9901 disclosures are made of
  };

  audit::PreparedLeaf leaf;
  std::vector<Personal> personal;
};

// Any thread. Errors: invalid_argument (the draft is not canonical JSON).
Result<PreparedEvent> prepare(const audit::EventDraft& draft);

}  // namespace sanad::ledger
