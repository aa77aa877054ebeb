#include "control/api/handlers/handlers.hpp"
#include "control/api/json_in.hpp"
#include "control/api/json_out.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::api {
namespace {

constexpr TextLimits kPem{1, 256 * 1024, true};
constexpr TextLimits kReference{1, 128};
constexpr TextLimits kText{0, 1024};
constexpr TextLimits kAnnouncement{1, 1024};
constexpr TextLimits kDocument{1, 128};
constexpr std::size_t kMaxDocuments = 64;

service::Done<service::Changed<service::RegistrationStatus>> standing_answer(Reply reply) {
  return answer<service::Changed<service::RegistrationStatus>>(std::move(reply), [](const auto& changed) {
    boost::json::object body;
    body["standing"] = standing_with_findings_json(changed.value);
    body["evidence"] = evidence_json(changed.evidence);
    return json_response(200, body);
  });
}

service::Done<service::Changed<service::RotationStatus>> rotation_answer(Reply reply) {
  return answer<service::Changed<service::RotationStatus>>(std::move(reply), [](const auto& changed) {
    boost::json::object body = rotation_json(changed.value);
    body["evidence"] = evidence_json(changed.evidence);
    return json_response(200, body);
  });
}

enum class Certificate { required, optional };

Result<service::InstallRegistration> installation_of(std::string_view text, Certificate certificate) {
  const auto object = parse_object(text);
  if (!object) return object.error();
  service::InstallRegistration input;
  ObjectReader in(*object);
  if (certificate == Certificate::required) in.require("certificate_pem");
  input.certificate_pem = in.text("certificate_pem", kPem).value_or("");
  input.reference = in.text_or_null("reference", kReference);
  input.authority_valid_until = in.time_or_null("authority_valid_until").value_or(std::nullopt);
  input.note = in.text("note", kText).value_or("");
  input.despite_differences = in.boolean("despite_differences").value_or(false);
  if (auto finished = in.finish(); !finished) return finished.error();
  return input;
}

}  // namespace

void get_registration(const Context& context, Call, Reply reply) {
  context.services.queries.registration(answer<service::RegistrationStatus>(
      std::move(reply), [](const service::RegistrationStatus& status) { return json_response(200, registration_json(status)); }));
}

void install_registration(const Context& context, Call call, Reply reply) {
  auto input = installation_of(call.request.body, Certificate::required);
  if (!input) return reply(problem(input.error()));
  context.services.registrations.install(std::move(call.caller), *std::move(input), standing_answer(std::move(reply)));
}

void record_request(const Context& context, Call call, Reply reply) {
  const auto object = parse_object(call.request.body);
  if (!object) return reply(problem(object.error()));
  service::RecordRequest input;
  ObjectReader in(*object);
  in.require("request_pem");
  input.request_pem = in.text("request_pem", kPem).value_or("");
  // "kind:sha256", so that one list of texts carries both.
  for (const auto& text : in.texts("documents", kMaxDocuments, kDocument).value_or(std::vector<std::string>{})) {
    const std::size_t colon = text.find(':');
    const auto digest = hex_decode(std::string_view(text).substr(colon == std::string::npos ? 0 : colon + 1));
    Sha256 sha256{};
    const std::string kind = text.substr(0, colon == std::string::npos ? 0 : colon);
    const bool word = !kind.empty() && kind.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    if (!word || !digest || digest->size() != sha256.size()) {
      in.fail("documents", "each is a kind and the SHA-256 of the document: \"cnic_front:<64 hex digits>\"");
      break;
    }
    std::copy(digest->begin(), digest->end(), sha256.begin());
    input.documents.push_back({kind, sha256});
  }
  if (auto finished = in.finish(); !finished) return reply(problem(finished.error()));
  context.services.registrations.record_request(
      std::move(call.caller), std::move(input),
      answer<service::Changed<Sha256>>(std::move(reply), [](const service::Changed<Sha256>& changed) {
        boost::json::object body;
        body["request_sha256"] = hex_encode(changed.value);
        body["evidence"] = evidence_json(changed.evidence);
        return json_response(201, body);
      }));
}

void get_key_rotation(const Context& context, Call call, Reply reply) {
  context.services.registrations.rotation(
      std::move(call.id), answer<service::RotationStatus>(std::move(reply), [](const service::RotationStatus& status) {
        return json_response(200, rotation_json(status));
      }));
}

void make_next_key(const Context& context, Call call, Reply reply) {
  context.services.registrations.next_key(std::move(call.caller), std::move(call.id), rotation_answer(std::move(reply)));
}

void rotate_key(const Context& context, Call call, Reply reply) {
  auto input = installation_of(call.request.body, Certificate::optional);
  if (!input) return reply(problem(input.error()));
  context.services.registrations.rotate_key(std::move(call.caller), std::move(call.id), *std::move(input),
                                            rotation_answer(std::move(reply)));
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
