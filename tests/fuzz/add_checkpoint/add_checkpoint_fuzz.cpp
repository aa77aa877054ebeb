// Any bytes as a request to a witness and as an answer of one: never a crash, what is accepted is written back byte for byte,
// and nothing that a log did not sign is cosigned.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "control/audit/add_checkpoint.hpp"
#include "control/audit/witness_rules.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::audit;
  const std::string text(data, data + size);
  const auto request = parse_add_checkpoint(text);
  if (request) {
    require(add_checkpoint_text(*request) == text);
    require(request->proof.size() <= kMaxProofHashes);
  }
  // A key whose private half nobody has.
  static const auto kKey = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").value().key;
  const VerifierKey key{"example.com/behind-the-sofa", KeyType::ed25519, kKey};
  const std::vector<WitnessedLog> logs{{key.name, {key}}};
  const auto verdict = judge_checkpoint(text, logs, [](const std::string&) -> const Checkpoint* { return nullptr; });
  require(verdict.status == 400 || verdict.status == 403 || verdict.status == 404);
  require(request || verdict.status == 400);
  const VerifierKey witness{"witness.example.com/w1", KeyType::cosignature_v1, kKey};
  require(!find_cosignature(text, "example.com/behind-the-sofa\n1\nx\n", witness));
  if (const auto tree = parse_tree_size(text)) require(tree_size_text(*tree) == text);
  return 0;
}
