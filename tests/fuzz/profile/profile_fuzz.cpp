// No bytes may pass for a genuine profile: the one anchor that is trusted here has signed nothing.

#include <cstdlib>
#include <string_view>

#include "control/registration/profile.hpp"

namespace {

using namespace sanad;

registration::ProfileCheck check_by_nobody() {
  const auto key = registration::generate_key(registration::KeyAlgorithm::ed25519).value();
  const registration::Validity ever{WallTime{0}, WallTime{4'000'000'000'000'000'000}};
  registration::ProfileCheck check;
  check.anchors.push_back({registration::make_root("Nobody", "PK", key, ever).value(), registration::Level::company, {}});
  check.now = WallTime{1'795'000'000'000'000'000};
  return check;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const registration::ProfileCheck kCheck = check_by_nobody();
  const auto profile = registration::verify_profile({reinterpret_cast<const char*>(data), size}, kCheck);
  if (profile || profile.error().message.empty() || profile.error().field.empty()) std::abort();
  return 0;
}
