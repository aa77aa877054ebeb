// Any bytes as what a userspace backend answers, cut into chunks at places the input itself chooses. Where it is cut must not
// matter, and a device that is accepted is one that the rest may rely on.

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <unordered_set>

#include "gateway/base/encoding.hpp"
#include "gateway/wg/userspace/uapi_parser.hpp"

namespace {

using namespace sanad;

void require(bool holds) {
  if (!holds) std::abort();
}

// Small enough that running into them is tried as well.
constexpr wg::uapi::AnswerLimits kLimits{.bytes = 1U << 20U, .peers = 8, .allowed_ips = 16};

Result<wg::Device> parse(std::string_view text, std::size_t chunk) {
  wg::uapi::GetAnswerParser parser{kLimits};
  while (!text.empty()) {
    const std::string_view part = text.substr(0, chunk);
    text.remove_prefix(part.size());
    // Also what comes behind a complete answer: cut off or not, it is refused.
    if (const auto complete = parser.feed(part); !complete) return complete.error();
  }
  return std::move(parser).finish();
}

void check_device(const wg::Device& device) {
  require(device.peers.size() <= kLimits.peers);
  std::size_t allowed_ips = 0;
  std::unordered_set<wg::PublicKey> keys;
  for (const wg::Peer& peer : device.peers) {
    require(keys.insert(peer.public_key).second);
    allowed_ips += peer.allowed_ips.size();
  }
  require(allowed_ips <= kLimits.allowed_ips);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  const auto whole = parse(text, text.size() + 1);
  const auto parts = parse(text, std::size_t{data[0]} + 1);
  require(whole.has_value() == parts.has_value());
  if (whole) {
    check_device(*whole);
    require(whole->peers.size() == parts->peers.size());
  } else {
    require(is_plain_text(whole.error().message) && whole.error().message == parts.error().message);
  }
  wg::uapi::SetAnswerParser set;
  (void)set.feed(text);
  return 0;
}
