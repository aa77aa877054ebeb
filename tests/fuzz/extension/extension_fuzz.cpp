// Whatever is accepted must encode back to the same bytes, once the claims that the extension does not carry are filled in.

#include <cstdlib>

#include "control/registration/extension.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sanad::registration;
  RegistrationClaims claims;
  if (!decode_extension({data, size}, claims)) return 0;
  const auto again = encode_extension(claims);
  if (!again || again->size() != size || !std::equal(again->begin(), again->end(), data)) std::abort();
  (void)check_claims(claims);
  return 0;
}
