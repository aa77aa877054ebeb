#include "control/audit/proof.hpp"

#include <algorithm>

#include "control/audit/decimal.hpp"
#include "control/audit/leaf.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kHeader = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";
constexpr std::size_t kMaxDisclosures = 1'000;

class Lines final {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  // The next line without its newline; nothing when none ends in the text.
  std::optional<std::string_view> next() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    ++number_;
    return line;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] Error refused(const std::string& why) const {
    return {Errc::corrupt, "not a log proof: line " + std::to_string(number_) + ": " + why};
  }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

}  // namespace

std::string proof_text(const LogProof& proof) {
  std::string text(kHeader);
  text += '\n';
  if (proof.extra) text += std::string(kExtra) + base64_encode(*proof.extra) + "\n";
  text += std::string(kIndex) + std::to_string(proof.index) + "\n";
  for (const Hash& hash : proof.hashes) text += base64_encode(hash) + "\n";
  return text + "\n" + proof.checkpoint;
}

Result<LogProof> parse_proof(std::string_view text) {
  Lines lines(text);
  LogProof proof;
  auto line = lines.next();
  if (line != kHeader) return lines.refused("it is not " + std::string(kHeader));
  line = lines.next();
  if (line && line->starts_with(kExtra)) {
    line->remove_prefix(kExtra.size());
    if (line->size() > kMaxProofExtra / 3 * 4)
      return lines.refused("more extra data than " + std::to_string(kMaxProofExtra) + " bytes");
    auto extra = base64_decode(*line);
    if (!extra) return lines.refused("the extra data is " + extra.error().message);
    proof.extra = *std::move(extra);
    line = lines.next();
  }
  if (!line || !line->starts_with(kIndex)) return lines.refused("no index");
  const auto index = parse_decimal(line->substr(kIndex.size()), kMaxTreeSize - 1);
  if (!index) return lines.refused("the index is not a decimal number in its only spelling, below 2^63 - 1");
  proof.index = *index;
  for (;;) {
    line = lines.next();
    if (!line) return lines.refused("it ends before the checkpoint");
    if (line->empty()) break;
    if (proof.hashes.size() == kMaxProofHashes)
      return lines.refused("more hashes than any log is high (" + std::to_string(kMaxProofHashes) + ")");
    const auto bytes = line->size() == 44 ? base64_decode(*line) : Result<Bytes>(Bytes{});
    Hash hash{};
    if (!bytes || bytes->size() != hash.size()) return lines.refused("not base64 of 32 bytes");
    std::copy(bytes->begin(), bytes->end(), hash.begin());
    proof.hashes.push_back(hash);
  }
  if (lines.rest().empty()) return lines.refused("no checkpoint");
  if (lines.rest().size() > kMaxNoteBytes)
    return lines.refused("the checkpoint is larger than " + std::to_string(kMaxNoteBytes) + " bytes");
  proof.checkpoint = lines.rest();
  return proof;
}

Result<OpenedCheckpoint> check_proof(const LogProof& proof, const Hash& leaf, std::span<const VerifierKey> log_keys,
                                     std::span<const VerifierKey> witness_keys) {
  auto opened = open_checkpoint(proof.checkpoint, log_keys, witness_keys);
  if (!opened) return std::move(opened).error().within("the proof's checkpoint");
  const auto& tree = opened->checkpoint;
  if (auto included = verify_inclusion(leaf, proof.index, tree.size, proof.hashes, tree.root); !included) {
    return std::move(included).error();
  }
  return opened;
}

Bytes proof_extra(const ProofRecord& record) {
  Bytes out(record.leaf.begin(), record.leaf.end());
  for (const auto& disclosure : record.disclosures) {
    out.push_back('\n');
    out.insert(out.end(), disclosure.begin(), disclosure.end());
  }
  return out;
}

Result<ProofRecord> parse_proof_extra(std::span<const std::uint8_t> extra) {
  const std::string text(extra.begin(), extra.end());
  ProofRecord record;
  std::size_t end = text.find('\n');
  record.leaf = text.substr(0, end);
  if (record.leaf.empty() || record.leaf.size() > kMaxLeafBytes) return Error{Errc::corrupt, "the proof carries no record"};
  while (end != std::string::npos) {
    const std::size_t begin = end + 1;
    end = text.find('\n', begin);
    auto disclosure = text.substr(begin, end == std::string::npos ? end : end - begin);
    if (record.disclosures.size() == kMaxDisclosures || disclosure.empty() || !base64url_decode(disclosure)) {
      return Error{Errc::corrupt, "the proof carries a disclosure that is not one"};
    }
    record.disclosures.push_back(std::move(disclosure));
  }
  return record;
}

}  // namespace sanad::audit
