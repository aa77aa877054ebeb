#pragma once
// Prometheus text exposition format, version 0.0.4. Pure.

#include <cstdint>
#include <string>

#include "control/api/http_server.hpp"
#include "control/service/queries.hpp"

namespace sanad::api {

std::string metrics_text(const service::Status& status, const HttpCounters& http, std::uint64_t resident_bytes);

}  // namespace sanad::api
