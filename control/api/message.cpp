#include "control/api/message.hpp"

namespace sanad::api {

std::string_view RequestHead::field(std::string_view lower_case_name) const {
  for (const auto& [name, value] : fields) {
    if (name == lower_case_name) return value;
  }
  return {};
}

}  // namespace sanad::api
