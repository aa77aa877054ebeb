#include "control/api/handlers/handlers.hpp"
#include "control/api/json_out.hpp"
#include "control/api/openapi.hpp"

namespace sanad::api {

void get_status(const Context& context, Call, Reply reply) {
  context.services.queries.status(answer<service::Status>(
      std::move(reply), [](const service::Status& status) { return json_response(200, status_json(status)); }));
}

void get_openapi(const Context&, Call, Reply reply) {
  Response response;
  response.content_type = "application/yaml";
  response.body = std::string(kOpenapiYaml);
  reply(std::move(response));
}

}  // namespace sanad::api
