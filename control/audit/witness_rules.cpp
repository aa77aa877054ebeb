#include "control/audit/witness_rules.hpp"

#include <algorithm>
#include <utility>

#include "control/audit/add_checkpoint.hpp"

namespace sanad::audit {
namespace {

WitnessVerdict refused(unsigned status, std::string why) { return {status, std::move(why), 0, {}, {}}; }

}  // namespace

// In the order of the specification's text: whoever may not be told about a log learns nothing of its size.
WitnessVerdict judge_checkpoint(std::string_view request, std::span<const WitnessedLog> logs,
                                const std::function<const Checkpoint*(const std::string& origin)>& last) {
  const auto asked = parse_add_checkpoint(request);
  if (!asked) return refused(400, asked.error().message);
  const auto note = parse_note(asked->checkpoint);
  if (!note) return refused(400, note.error().message);
  auto checkpoint = parse_checkpoint_form(note->text);
  if (!checkpoint) return refused(400, checkpoint.error().message);

  const auto log =
      std::find_if(logs.begin(), logs.end(), [&](const WitnessedLog& one) { return one.origin == checkpoint->origin; });
  if (log == logs.end()) return refused(404, "this witness does not know a log of that origin");
  if (const auto verified = verify_note(*note, log->keys); !verified) return refused(403, verified.error().message);

  if (asked->old_size > checkpoint->size) return refused(400, "the old size is above the checkpoint's");
  const Checkpoint* known = last(checkpoint->origin);
  const std::uint64_t known_size = known == nullptr ? 0 : known->size;
  if (asked->old_size != known_size) return {409, {}, known_size, {}, {}};

  const auto contradicted = [&checkpoint](std::string why) {
    return WitnessVerdict{422, std::move(why), 0, *std::move(checkpoint), {}};
  };
  if (checkpoint->size == 0 && checkpoint->root != empty_root()) return contradicted("an empty log has another root");
  if (asked->old_size == 0 && !asked->proof.empty()) return contradicted("there is nothing to prove when the old size is 0");
  if (asked->old_size != 0) {
    const auto grown = verify_consistency(known->size, known->root, checkpoint->size, checkpoint->root, asked->proof);
    if (!grown) return contradicted(grown.error().message);
  }
  std::string kept = make_note(note->text, lines_of(*note, log->keys));
  return {200, {}, 0, *std::move(checkpoint), std::move(kept)};
}

}  // namespace sanad::audit
