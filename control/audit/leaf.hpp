#pragma once
// The leaf: one event as the log hashes it, byte for byte (design: evidence.md). Pure; randomness is handed in.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "control/audit/event.hpp"
#include "gateway/base/clock.hpp"

namespace sanad::audit {

// tlog-tiles entry bundles carry a 16-bit length.
constexpr std::size_t kMaxLeafBytes = 65'535;

// Fills the span with fresh random bytes.
using FillRandom = std::function<void(std::span<std::uint8_t>)>;
FillRandom system_random();  // fill_random() of gateway/base/random.hpp

struct LeafHead {
  std::uint64_t index = 0;
  WallTime time;
  std::uint64_t epoch = 1;  // which signing key will cover it
};

// What opens one digest of a leaf: base64url(["salt","name",value]) is an RFC 9901 disclosure.
struct Disclosure {
  std::string name;
  std::string value_json;  // canonical
  std::string salt;        // 128 bit, base64url
  std::string owner_id;
};

struct Leaf {
  std::string bytes;
  std::vector<Disclosure> disclosures;  // in the draft's order
};

// A leaf but for what is only known when it takes its place: the greater part of the work, done on any thread.
struct PreparedLeaf {
  std::string before_epoch;             // {"_sd":[..],"_sd_alg":"sha-256","epoch":
  std::string before_index;             // ,"event":{..},"i":
  std::string before_time;              // ,"salt":"..","t":
  std::vector<Disclosure> disclosures;  // in the draft's order
};

// {"_sd":[..],"_sd_alg":"sha-256","epoch":..,"event":{..},"i":..,"salt":"..","t":<ms>,"v":1}: always all eight keys, `_sd` sorted
// (so its order tells nothing) and empty when nothing is personal.
// Errors: invalid_argument (not canonical; longer than kMaxLeafBytes).
Result<PreparedLeaf> prepare_leaf(const EventDraft& draft, const FillRandom& random);
// Appends the finished leaf; on an error `out` may hold a part of it.
Result<void> finish_leaf(std::string& out, const PreparedLeaf& leaf, const LeafHead& head);
// Both in one.
Result<Leaf> make_leaf(const LeafHead& head, const EventDraft& draft, const FillRandom& random);

// The RFC 9901 disclosure text (base64url) and its digest (base64url of SHA-256): what a verifier computes.
Result<std::string> disclosure_text(const Disclosure& disclosure);
std::string disclosure_digest(std::string_view disclosure_text);

}  // namespace sanad::audit
