#pragma once

#include <string_view>

namespace sanad::api {

// openapi.yaml as it was when this was built. Defined in a file that embed_openapi.cmake writes.
extern const std::string_view kOpenapiYaml;

}  // namespace sanad::api
