#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "control/api/handlers/handlers.hpp"
#include "control/api/json_out.hpp"

namespace sanad::api {
namespace {

// One line of the message is one error of the configuration.
Response config_problem(const Error& error) {
  Response response = problem(error);
  boost::json::object body = problem_object(error);
  boost::json::array errors;
  for (std::string_view rest = error.message; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (!line.empty()) errors.emplace_back(line);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  body["errors"] = std::move(errors);
  response.body = boost::json::serialize(body) + "\n";
  return response;
}

}  // namespace

void reload(const Context& context, Call call, Reply reply) {
  context.services.operations.reload(std::move(call.caller), [reply = std::move(reply)](Result<service::Reloaded> reloaded) {
    if (!reloaded)
      return reply(reloaded.error().code == Errc::invalid_argument ? config_problem(reloaded.error())
                                                                   : problem(reloaded.error()));
    boost::json::object body;
    boost::json::array changed;
    for (const std::string& key : reloaded->changed) changed.emplace_back(key);
    body["changed"] = std::move(changed);
    body["evidence"] = evidence_json(reloaded->evidence);
    reply(json_response(200, body));
  });
}

void shutdown(const Context& context, Call call, Reply reply) {
  context.services.operations.shutdown(std::move(call.caller),
                                       answer<std::uint64_t>(std::move(reply), [](std::uint64_t evidence) {
                                         boost::json::object body;
                                         body["evidence"] = evidence_json(evidence);
                                         return json_response(200, body);
                                       }));
}

void rotate_log_key(const Context& context, Call call, Reply reply) {
  context.services.operations.rotate_log_key(
      std::move(call.caller), answer<service::RotatedLogKey>(std::move(reply), [](const service::RotatedLogKey& rotated) {
        boost::json::object body;
        body["epoch"] = rotated.epoch;
        body["key"] = rotated.key;
        body["first_index"] = rotated.first_index;
        body["evidence"] = evidence_json(rotated.evidence);
        return json_response(200, body);
      }));
}

}  // namespace sanad::api
