#include "config/config.hpp"

#include <fmt/format.h>

#include "gateway/base/durable_file.hpp"
#include "gateway/base/secret.hpp"

namespace sanad::config {

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::monitor:
      return "monitor";
    case Role::auditor:
      return "auditor";
    case Role::operator_:
      return "operator";
    case Role::admin:
      return "admin";
  }
  return "unknown";
}

std::string_view to_string(GuardedAct act) noexcept {
  switch (act) {
    case GuardedAct::erasure:
      return "erasure";
    case GuardedAct::retention:
      return "retention";
    case GuardedAct::hold_release:
      return "hold_release";
  }
  return "unknown";
}

std::string_view to_string(SessionEvents events) noexcept {
  switch (events) {
    case SessionEvents::automatic:
      return "auto";
    case SessionEvents::off:
      return "off";
  }
  return "unknown";
}

std::string_view to_string(Backend backend) noexcept {
  switch (backend) {
    case Backend::automatic:
      return "auto";
    case Backend::kernel:
      return "kernel";
    case Backend::userspace:
      return "userspace";
  }
  return "unknown";
}

std::string_view to_string(Routing routing) noexcept { return routing == Routing::full ? "full" : "split"; }

std::string_view to_string(AnchorLevel level) noexcept {
  switch (level) {
    case AnchorLevel::self:
      return "self";
    case AnchorLevel::company:
      return "company";
    case AnchorLevel::association:
      return "association";
    case AnchorLevel::regulator:
      return "regulator";
  }
  return "unknown";
}

std::string_view to_string(StandingAction action) noexcept {
  switch (action) {
    case StandingAction::warn:
      return "warn";
    case StandingAction::refuse_new:
      return "refuse_new";
    case StandingAction::suspend:
      return "suspend";
  }
  return "unknown";
}

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "unknown";
}

std::string Client::endpoint() const {
  const bool v6 = endpoint_host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", endpoint_host, endpoint_port) : fmt::format("{}:{}", endpoint_host, endpoint_port);
}

Result<wg::PrivateKey> parse_private_key(std::string_view content) {
  const std::size_t end = content.find_last_not_of(" \t\r\n");
  Result<wg::PrivateKey> key = wg::secret_from_base64(content.substr(0, end == std::string_view::npos ? 0 : end + 1));
  if (key && key->is_zero()) return Error{Errc::invalid_argument, "it is the zero key", {}, "make one with: wg genkey"};
  return key;
}

Result<wg::PrivateKey> read_private_key(const SecretSource& source) {
  const std::string context = fmt::format("couldn't read private key {}", source.written);
  Result<std::string> content = read_secret_file(source.path, kMaxKeyFileBytes);
  if (!content) return std::move(content.error()).within(context);
  Result<wg::PrivateKey> key = parse_private_key(*content);
  wipe({reinterpret_cast<std::uint8_t*>(content->data()), content->size()});
  if (!key) return std::move(key.error()).within(context);
  return key;
}

}  // namespace sanad::config
