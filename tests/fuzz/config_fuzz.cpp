// Any bytes as a configuration: never a crash or a hang, an outcome that is either a Config or errors, messages that are fit for
// a terminal, and what was accepted equal to itself in comparison and digest.

#include <cstdint>
#include <cstdlib>

#include "config/compare.hpp"
#include "config/reader.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::config {
namespace {

// A host where everything is there: the text alone decides.
class EverythingThere final : public FileAccess {
 public:
  Result<std::string> read_secret(const std::filesystem::path& /*path*/) override {
    return std::string("YAnOgpZ9lzkAyuBlAgkj5Bu3Pm5CqVvvJGNHI4RsIHM=");
  }
  Result<void> readable(const std::filesystem::path& /*path*/) override { return {}; }
  std::optional<std::filesystem::path> credentials() override { return "/run/credentials/sanadd.service"; }
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace
}  // namespace sanad::config

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::config;
  EverythingThere files;
  const std::string text(data, data + size);
  const ReadOutcome outcome = parse(text, "sanad.yaml", files);
  require(outcome.config.has_value() == outcome.errors.empty());
  require(outcome.errors.size() <= kMaxErrors + 1);
  for (const std::string& error : outcome.errors) require(error.starts_with("sanad.yaml:") && sanad::is_plain_text(error));
  if (outcome.config) {
    require(!outcome.config->interfaces.empty() && !outcome.config->gateway.id.empty());
    require(difference(*outcome.config, *outcome.config).empty());
    require(digest(*outcome.config).size() == 64);
  }
  return 0;
}
