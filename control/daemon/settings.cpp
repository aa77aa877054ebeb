#include "control/daemon/settings.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sanad::daemon {
namespace {

access::Role role_of(config::Role role) {
  switch (role) {
    case config::Role::monitor:
      return access::Role::monitor;
    case config::Role::auditor:
      return access::Role::auditor;
    case config::Role::operator_:
      return access::Role::operator_;
    case config::Role::admin:
      return access::Role::admin;
  }
  return access::Role::monitor;
}

}  // namespace

spdlog::level::level_enum log_level(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::debug:
      return spdlog::level::debug;
    case config::LogLevel::info:
      return spdlog::level::info;
    case config::LogLevel::warn:
      return spdlog::level::warn;
    case config::LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

Result<std::vector<wg::PrivateKey>> read_keys(const config::Config& config) {
  std::vector<wg::PrivateKey> keys;
  for (const auto& interface : config.interfaces) {
    auto key = config::read_private_key(interface.private_key);
    if (!key) {
      Error error = std::move(key).error().within("the private key of " + interface.name);
      if (error.code == Errc::not_found) error.hint = "sanad init makes one";
      return error;
    }
    keys.push_back(*key);
  }
  return keys;
}

Result<void> make_state_directory(const std::filesystem::path& directory) {
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) return Error{Errc::io, "couldn't make " + directory.string() + ": " + failed.message()};
  if (::chmod(directory.c_str(), 0700) != 0) return from_errno(errno, "couldn't set the mode of " + directory.string());
  return {};
}

api::ListenSettings listen_settings(const config::Config& config) {
  api::ListenSettings settings{.path = config.socket.path.string(), .group = std::nullopt, .mode = config.socket.mode};
  if (config.socket.group.empty()) return settings;
  if (const group* entry = ::getgrnam(config.socket.group.c_str()); entry != nullptr)
    settings.group = entry->gr_gid;
  else
    log::warn("there is no group \"{}\": only root can connect to the admin socket (scripts/install makes the group)",
              config.socket.group);
  return settings;
}

api::Limits limits_of(const config::Config& config) {
  api::Limits limits;
  limits.connections = config.limits.connections;
  return limits;
}

access::RoleMap roles_of(const config::Config& config) {
  access::RoleMap map;
  for (const auto& grant : config.access.roles) {
    const access::Role role = role_of(grant.role);
    switch (grant.subject) {
      case config::RoleGrant::Subject::user:
        map.users[grant.name].add(role);
        break;
      case config::RoleGrant::Subject::uid:
        map.uids[grant.id].add(role);
        break;
      case config::RoleGrant::Subject::group:
        map.groups[grant.name].add(role);
        break;
      case config::RoleGrant::Subject::gid:
        map.gids[grant.id].add(role);
        break;
    }
  }
  return map;
}

service::Caller own_caller() {
  service::Caller caller;
  caller.actor =
      access::Actor{.uid = ::geteuid(), .gid = ::getegid(), .pid = ::getpid(), .user_name = {}, .program = {}, .groups = {}};
  caller.roles.add(access::Role::admin);
  return caller;
}

}  // namespace sanad::daemon
