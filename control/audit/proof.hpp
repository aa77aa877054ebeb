#pragma once
// C2SP tlog-proof files (c2sp.org/tlog-proof): one record's inclusion, checkable without the log. Pure.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/audit/checkpoint.hpp"
#include "control/audit/merkle.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {

constexpr std::size_t kMaxProofExtra = 256 * 1024;

struct LogProof {
  std::optional<Bytes> extra{};  // proves nothing by itself: not covered by any signature
  std::uint64_t index = 0;
  std::vector<Hash> hashes{};  // the leaf's sibling first
  std::string checkpoint{};    // the signed note, verbatim

  bool operator==(const LogProof&) const = default;
};

std::string proof_text(const LogProof& proof);
// Errors: corrupt, naming the line. The checkpoint is not looked into.
Result<LogProof> parse_proof(std::string_view text);

// That the leaf stands at proof.index of the log whose checkpoint `log_keys` signed. Errors: those of open_checkpoint and
// verify_inclusion.
Result<OpenedCheckpoint> check_proof(const LogProof& proof, const Hash& leaf, std::span<const VerifierKey> log_keys,
                                     std::span<const VerifierKey> witness_keys = {});

// What our proofs carry as extra data: the record itself and the disclosures its holder chose to show, a line each.
struct ProofRecord {
  std::string leaf;
  std::vector<std::string> disclosures;  // RFC 9901 texts
};
Bytes proof_extra(const ProofRecord& record);
// Errors: corrupt. Says nothing about whether the disclosures belong to the leaf.
Result<ProofRecord> parse_proof_extra(std::span<const std::uint8_t> extra);

}  // namespace sanad::audit
