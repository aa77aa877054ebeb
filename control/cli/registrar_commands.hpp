#pragma once
// What the files of `sanad registrar` share.

#include <string>

#include "control/cli/commands.hpp"
#include "control/registrar/registrar.hpp"

namespace sanad::cli {

struct RegistrarPlace {
  std::string directory = "/var/lib/sanad-registrar";
  std::string key;  // file; empty: the folder's own
};

void define_place(CLI::App& command, RegistrarPlace& place);
void define_key(CLI::App& command, RegistrarPlace& place);

// What the registrar adds to an application, as the options say it.
struct ApplicationOptions {
  std::string reference, approved_on, registered_until, valid_until;
};
void define_application(CLI::App& command, ApplicationOptions& options);
Outcome<registrar::Application> application_of(Context& context, const std::string& file, const ApplicationOptions& options);

audit::Actor this_actor();
Outcome<registrar::Registrar> open_registrar(const RegistrarPlace& place);
// Of a result of the registrar's.
Failure registrar_failure(Error error);

void add_registrar_publish_commands(CLI::App& registrar, Chosen& chosen);

}  // namespace sanad::cli
