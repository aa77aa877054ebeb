#include "control/witness/witness.hpp"

#include <algorithm>
#include <utility>

#include "control/audit/add_checkpoint.hpp"

namespace sanad::witness {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr std::int64_t kSecondNs = 1'000'000'000;

Answer plain(unsigned status, const std::string& text) { return {status, kPlain, text + "\n"}; }

}  // namespace

Witness::Witness(audit::Signer signer, std::vector<audit::WitnessedLog> logs, Store store,
                 std::function<void(const std::string&)> tell)
    : signer_(std::move(signer)), logs_(std::move(logs)), store_(std::move(store)), tell_(std::move(tell)) {}

Answer Witness::add_checkpoint(std::string_view request, WallTime now) {
  auto verdict = audit::judge_checkpoint(request, logs_, [this](const std::string& origin) {
    const Cosigned* last = store_.last(origin);
    return last == nullptr ? nullptr : &last->checkpoint;
  });
  if (verdict.status == 409) return {409, audit::kTreeSizeType, audit::tree_size_text(verdict.known)};
  if (verdict.status == 422) {
    tell_("refused to cosign " + std::to_string(verdict.checkpoint.size) + " records of " + verdict.checkpoint.origin +
          ", which that log has signed: " + verdict.why);
  }
  if (verdict.status != 200) return plain(verdict.status, verdict.why);

  const Cosigned* last = store_.last(verdict.checkpoint.origin);
  // "As of this time the largest tree seen": a clock that was set back must not make it say otherwise.
  const std::uint64_t time = std::max<std::uint64_t>(last == nullptr ? 1 : last->timestamp,
                                                     static_cast<std::uint64_t>(std::max<std::int64_t>(now.ns / kSecondNs, 1)));
  const std::string text = audit::checkpoint_text(verdict.checkpoint);
  auto line = audit::cosign_note(text, signer_, time);
  if (!line) {
    tell_(line.error().message);
    return plain(500, "the witness cannot sign");
  }
  Cosigned cosigned{std::move(verdict.checkpoint), time, verdict.note + *line};
  if (auto stored = store_.put(std::move(cosigned)); !stored) {
    tell_("nothing is cosigned: " + stored.error().message);
    return plain(500, "the witness cannot write its store");
  }
  return {200, kPlain, *std::move(line)};
}

Answer Witness::checkpoint(std::string_view origin_hash) const {
  const Cosigned* last = store_.by_hash(origin_hash);
  if (last == nullptr) return plain(404, "nothing was cosigned for that log");
  return {200, kPlain, last->note};
}

}  // namespace sanad::witness
