#pragma once
// A leaf read back without building a tree of it: what an auditor checks of every record. Pure, no allocation.

#include <cstdint>
#include <string_view>

#include "gateway/base/result.hpp"

namespace sanad::audit {

struct LeafView {
  std::uint64_t index = 0;
  std::int64_t time_ms = 0;
  std::uint64_t epoch = 0;
  std::string_view event;    // the JSON object
  std::string_view digests;  // the inside of "_sd": quoted digests between commas, or nothing
};

// Accepts what make_leaf() writes and nothing else: the eight keys in their order, no whitespace, integers only, and an event
// that is one JSON object (its keys' order is not looked at). Errors: corrupt, with the reason.
Result<LeafView> read_leaf(std::string_view bytes);

// Whether one of the leaf's digests is `digest` (43 characters of base64url).
bool holds_digest(const LeafView& leaf, std::string_view digest);

}  // namespace sanad::audit
