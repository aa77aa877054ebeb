#include "control/audit/leaf.hpp"

#include <algorithm>
#include <array>

#include "control/audit/canonical.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/random.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::audit {
namespace {

constexpr std::size_t kSaltBytes = 16;  // RFC 9901 section 9.3 recommends at least 128 bits

std::string new_salt(const FillRandom& random) {
  std::array<std::uint8_t, kSaltBytes> salt{};
  random(salt);
  return base64url_encode(salt);
}

}  // namespace

FillRandom system_random() { return fill_random; }

Result<std::string> disclosure_text(const Disclosure& disclosure) {
  std::string json;
  json.reserve(disclosure.salt.size() + disclosure.name.size() + disclosure.value_json.size() + 16);
  json += '[';
  if (auto done = append_canonical_string(json, disclosure.salt); !done) return std::move(done).error();
  json += ',';
  if (auto done = append_canonical_string(json, disclosure.name); !done) return std::move(done).error();
  json += ',';
  json += disclosure.value_json;
  json += ']';
  return base64url_encode(as_bytes(json));
}

std::string disclosure_digest(std::string_view disclosure_text) { return base64url_encode(sha256(as_bytes(disclosure_text))); }

Result<PreparedLeaf> prepare_leaf(const EventDraft& draft, const FillRandom& random) {
  PreparedLeaf leaf;
  leaf.disclosures.reserve(draft.personal.size());
  std::vector<std::string> digests;
  digests.reserve(draft.personal.size());
  for (const auto& item : draft.personal) {
    auto value = canonical_json(item.value);
    if (!value) return std::move(value).error().within("couldn't write the value of " + item.name);
    leaf.disclosures.push_back({item.name, *std::move(value), new_salt(random), item.owner_id});
    auto text = disclosure_text(leaf.disclosures.back());
    if (!text) return std::move(text).error().within("couldn't write the disclosure of " + item.name);
    digests.push_back(disclosure_digest(*text));
  }
  std::sort(digests.begin(), digests.end());

  std::string& head = leaf.before_epoch;
  head.reserve(64 + 48 * digests.size());
  head = R"({"_sd":[)";
  for (std::size_t i = 0; i < digests.size(); ++i) {
    head += i == 0 ? "\"" : ",\"";
    head += digests[i];
    head += '"';
  }
  head += R"(],"_sd_alg":"sha-256","epoch":)";

  leaf.before_index.reserve(1024);
  leaf.before_index = R"(,"event":)";
  if (auto done = append_canonical(leaf.before_index, draft.event); !done) {
    return std::move(done).error().within("couldn't write the event");
  }
  leaf.before_index += R"(,"i":)";
  leaf.before_time = R"(,"salt":")" + new_salt(random) + R"(","t":)";
  return leaf;
}

Result<void> finish_leaf(std::string& out, const PreparedLeaf& leaf, const LeafHead& head) {
  const std::size_t before = out.size();
  out += leaf.before_epoch;
  out += std::to_string(head.epoch);
  out += leaf.before_index;
  out += std::to_string(head.index);
  out += leaf.before_time;
  out += std::to_string(head.time.ms());
  out += R"(,"v":1})";
  if (const std::size_t size = out.size() - before; size > kMaxLeafBytes) {
    return Error{Errc::invalid_argument, "the event makes a leaf of " + std::to_string(size) +
                                             " bytes; the most a log entry holds is " + std::to_string(kMaxLeafBytes)};
  }
  return {};
}

Result<Leaf> make_leaf(const LeafHead& head, const EventDraft& draft, const FillRandom& random) {
  auto prepared = prepare_leaf(draft, random);
  if (!prepared) return std::move(prepared).error();
  std::string bytes;
  if (auto done = finish_leaf(bytes, *prepared, head); !done) return std::move(done).error();
  return Leaf{std::move(bytes), std::move(prepared->disclosures)};
}

}  // namespace sanad::audit
