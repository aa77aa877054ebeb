#include "control/api/handlers/handlers.hpp"
#include "control/api/json_in.hpp"
#include "control/api/json_out.hpp"

namespace sanad::api {
namespace {

constexpr TextLimits kPem{1, 256 * 1024, true};
constexpr TextLimits kReference{1, 128};
constexpr TextLimits kText{0, 1024};
constexpr TextLimits kAnnouncement{1, 1024};

service::Done<service::Changed<service::RegistrationStatus>> standing_answer(Reply reply) {
  return answer<service::Changed<service::RegistrationStatus>>(std::move(reply), [](const auto& changed) {
    boost::json::object body;
    body["standing"] = standing_with_findings_json(changed.value);
    body["evidence"] = evidence_json(changed.evidence);
    return json_response(200, body);
  });
}

}  // namespace

void get_registration(const Context& context, Call, Reply reply) {
  context.services.queries.registration(answer<service::RegistrationStatus>(
      std::move(reply), [](const service::RegistrationStatus& status) { return json_response(200, registration_json(status)); }));
}

void install_registration(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  service::InstallRegistration input;
  ObjectReader in(*object);
  in.require("certificate_pem");
  input.certificate_pem = in.text("certificate_pem", kPem).value_or("");
  input.reference = in.text_or_null("reference", kReference);
  input.authority_valid_until = in.time_or_null("authority_valid_until").value_or(std::nullopt);
  input.note = in.text("note", kText).value_or("");
  if (auto finished = in.finish(); !finished) return reply(problem(finished.error()));
  context.services.registrations.install(std::move(call.caller), std::move(input), standing_answer(std::move(reply)));
}

void record_grace(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  ObjectReader in(*object);
  in.require("until");
  in.require("announcement");
  const auto until = in.time("until");
  auto announcement = in.text("announcement", kAnnouncement);
  if (auto finished = in.finish(); !finished) return reply(problem(finished.error()));
  context.services.registrations.grace(std::move(call.caller), *until, std::move(*announcement),
                                       standing_answer(std::move(reply)));
}

}  // namespace sanad::api
