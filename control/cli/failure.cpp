#include "control/cli/failure.hpp"

#include <boost/throw_exception.hpp>
#include <stdexcept>
#include <utility>

#include "control/cli/json_view.hpp"
#include "control/cli/text.hpp"

namespace sanad::cli {
namespace {

Exit exit_of(Errc code) {
  if (code == Errc::not_found) return Exit::not_found;
  if (code == Errc::permission_denied) return Exit::denied;
  return Exit::failure;
}

// What a field of the request is called on the command line; a field without an option keeps its name.
constexpr std::pair<std::string_view, std::string_view> kOptions[] = {
    {"owner.name", "NAME"},
    {"owner.email", "--email"},
    {"owner.handle", "--handle"},
    {"device", "--device"},
    {"public_key", "--public-key"},
    {"preshared_key", "--psk"},
    {"allowed_ips", "--allowed-ip"},
    {"keepalive_s", "--keepalive"},
    {"expires_at", "--expires"},
    {"not_before", "--not-before"},
    {"groups", "--group"},
    {"note", "--note"},
    {"interface", "--interface"},
    {"certificate_pem", "CERT"},
    {"reference", "--reference"},
    {"authority_valid_until", "--valid-until"},
    {"until", "--until"},
    {"announcement", "--announcement"},
    {"person", "PERSON"},
    {"address", "--address"},
    {"reason", "--reason"},
    {"approver", "--approver"},
    {"expires", "--expires"},
};

std::string option_of(std::string_view field) {
  const std::string_view base = field.substr(0, field.find_first_of(field.starts_with("certificate_pem.") ? "." : "["));
  for (const auto& [name, option] : kOptions) {
    if (name == base) return std::string(option);
  }
  return std::string(field);
}

}  // namespace

void throw_exception_from_error(const Failure& failure, const boost::source_location& where) {
  boost::throw_exception(std::logic_error("value() of a failure: " + failure.message), where);
}

Failure failure_of(Error error) {
  return {exit_of(error.code), std::move(error.message), std::move(error.hint), std::move(error.field)};
}

Failure failure_of_problem(int status, std::string_view body) {
  Failure failure;
  if (status == 404) failure.exit = Exit::not_found;
  const auto problem = parse_json(body);
  if (!problem || !problem->is_object()) {
    failure.message = "the daemon answered " + std::to_string(status) + " without saying why";
    failure.hint = "Its journal may know: journalctl -u sanadd";
    return failure;
  }
  const std::string type = text_at(*problem, "type");
  failure.message = text_at(*problem, "detail");
  if (failure.message.empty()) failure.message = text_at(*problem, "title");
  failure.hint = text_at(*problem, "hint");
  failure.field = text_at(*problem, "field");
  if (type.ends_with(":permission-denied")) {
    failure.exit = Exit::denied;
    if (!failure.message.starts_with("permission denied")) failure.message = "permission denied: " + failure.message;
  }
  if (const auto* errors = find(*problem, "errors"); errors != nullptr && errors->is_array()) {
    for (const auto& line : errors->as_array()) {
      if (line.is_string()) failure.message += "\n  " + safe(std::string_view(line.as_string()));
    }
  }
  return failure;
}

std::string render(const Failure& failure) {
  std::string text = "error: ";
  if (!failure.field.empty()) text += safe(option_of(failure.field)) + ": ";
  text += safe_lines(failure.message);
  if (!failure.hint.empty()) text += (text.ends_with('.') ? " " : ". ") + safe(failure.hint);
  return text + "\n";
}

}  // namespace sanad::cli
