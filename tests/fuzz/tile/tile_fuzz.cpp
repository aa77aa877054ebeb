// Any bytes as a path or a bundle: never a crash, what is accepted is written back byte for byte.

#include <cstdint>
#include <cstdlib>

#include "control/audit/tile.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::audit;
  const std::string text(data, data + size);
  if (const auto id = parse_tile_path(text)) require(tile_path(*id) == text);
  for (const unsigned width : {0U, 1U, 2U, 3U, 256U}) {
    const auto entries = decode_bundle({data, size}, width);
    if (!entries) continue;
    require(entries->size() == width);
    sanad::Bytes again;
    for (const auto entry : *entries) require(append_entry(again, entry).has_value());
    require(again == sanad::Bytes(data, data + size));
  }
  return 0;
}
