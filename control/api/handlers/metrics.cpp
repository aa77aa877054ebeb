#include "control/api/metrics.hpp"

#include <unistd.h>

#include <fstream>

#include "control/api/handlers/handlers.hpp"

namespace sanad::api {
namespace {

// proc(5): the second number of statm is resident pages. Zero when it cannot be read.
std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return statm ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

void get_metrics(const Context& context, Call, Reply reply) {
  const HttpCounters& http = context.http;
  context.services.queries.status(answer<service::Status>(std::move(reply), [&http](const service::Status& status) {
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_text(status, http, resident_bytes());
    return response;
  }));
}

}  // namespace sanad::api
