#pragma once
// From the configuration's terms to those of the rooms it sets up.

#include <vector>

#include "config/config.hpp"
#include "control/access/role.hpp"
#include "control/api/http_server.hpp"
#include "control/api/listener.hpp"
#include "control/service/request.hpp"
#include "gateway/base/log.hpp"

namespace sanad::daemon {

spdlog::level::level_enum log_level(config::LogLevel level);
// One per interface, in order. Errors name the interface and the file.
Result<std::vector<wg::PrivateKey>> read_keys(const config::Config& config);
// 0700: it holds pre-shared keys and personal data.
Result<void> make_state_directory(const std::filesystem::path& directory);
api::ListenSettings listen_settings(const config::Config& config);
api::Limits limits_of(const config::Config& config);
access::RoleMap roles_of(const config::Config& config);
// Who acts when the daemon itself was told by a signal: the daemon's own uid, as admin.
service::Caller own_caller();

}  // namespace sanad::daemon
