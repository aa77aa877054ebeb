#pragma once
// Who may do what. Pure: an actor and a role map in, a decision out. The table is the one of the admin API's documentation;
// a permission that no role was given is refused, also one added later and forgotten here.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/access/actor.hpp"

namespace sanad::access {

enum class Role : std::uint8_t { admin, operator_, auditor, monitor };
inline constexpr Role kRoles[] = {Role::admin, Role::operator_, Role::auditor, Role::monitor};

enum class Permission : std::uint8_t {
  status,  // status, metrics, the API's description
  peers_read,
  peers_write,          // create, change, revoke; profiles
  evidence_read,        // sessions, events, the log: read, prove, export
  personal_data_peers,  // names, e-mails and endpoints in answers about peers
  personal_data,        // the same in answers about sessions and evidence
  registration_read,
  registration_write,  // install, grace
  reload,
  custody,   // holds, retention, erasure, the log's signing key
  shutdown,  // shutdown, recover
};
inline constexpr Permission kPermissions[] = {Permission::status,
                                              Permission::peers_read,
                                              Permission::peers_write,
                                              Permission::evidence_read,
                                              Permission::personal_data_peers,
                                              Permission::personal_data,
                                              Permission::registration_read,
                                              Permission::registration_write,
                                              Permission::reload,
                                              Permission::custody,
                                              Permission::shutdown};

std::string_view to_string(Role role) noexcept;              // "operator" for operator_
std::string_view to_string(Permission permission) noexcept;  // "peers_read"
std::optional<Role> role_from_string(std::string_view text) noexcept;

// An actor may hold several roles; its permissions are the union.
class RoleSet {
 public:
  RoleSet() = default;
  RoleSet(std::initializer_list<Role> roles) {
    for (Role role : roles) add(role);
  }
  void add(Role role) { bits_ = static_cast<std::uint8_t>(bits_ | (1U << static_cast<unsigned>(role))); }
  void add(const RoleSet& other) { bits_ = static_cast<std::uint8_t>(bits_ | other.bits_); }
  [[nodiscard]] bool has(Role role) const { return (bits_ & (1U << static_cast<unsigned>(role))) != 0; }
  [[nodiscard]] bool empty() const { return bits_ == 0; }
  [[nodiscard]] std::string to_string() const;  // "operator, auditor", strongest first; "none"
  bool operator==(const RoleSet&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

// What the configuration grants (access.roles). uid 0 is admin whatever is written here: root owns the files anyway.
struct RoleMap {
  std::map<uid_t, RoleSet> uids;
  std::map<std::string, RoleSet, std::less<>> users;  // by name, as the user database knows it
  std::map<gid_t, RoleSet> gids;
  std::map<std::string, RoleSet, std::less<>> groups;  // by name
};

RoleSet roles_of(const Actor& actor, const RoleMap& map);

struct Decision {
  bool allowed = false;
  std::optional<Role> role;  // the weakest of the actor's roles that suffices, for the evidence; unset when refused
};

Decision decide(const RoleSet& roles, Permission permission);

// Which roles have it, strongest first.
RoleSet roles_with(Permission permission);

// Why `actor` was refused and who can help, for a person to read:
//   user "guest" (uid 1004) has no role on this gateway            hint: An admin can give one: access.roles in
//   /etc/sanad/sanad.yaml user "noc" (uid 1005) has the role monitor; peers_read needs admin, operator or auditor
// Errc::permission_denied.
Error explain(const Actor& actor, const RoleSet& roles, Permission permission);

}  // namespace sanad::access
