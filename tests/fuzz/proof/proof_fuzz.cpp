// Any bytes as a proof: never a crash, what is accepted is written back byte for byte.

#include <cstdint>
#include <cstdlib>

#include "control/audit/proof.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::audit;
  const std::string text(data, data + size);
  if (const auto proof = parse_proof(text)) {
    require(proof_text(*proof) == text);
    require(proof->hashes.size() <= kMaxProofHashes);
    require(!check_proof(*proof, {}, {}));
    (void)verify_inclusion({}, proof->index, proof->index + 1 + size, proof->hashes, {});
    (void)verify_consistency(proof->index, {}, proof->index + size, {}, proof->hashes);
    if (proof->extra) (void)parse_proof_extra(*proof->extra);
  }
  if (const auto record = parse_proof_extra({data, size})) {
    const auto again = proof_extra(*record);
    require(again == sanad::Bytes(data, data + size));
  }
  return 0;
}
