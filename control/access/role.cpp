#include "control/access/role.hpp"

namespace sanad::access {
namespace {

bool grants(Role role, Permission permission) {
  switch (permission) {
    case Permission::status:
    case Permission::registration_read:
      return true;
    case Permission::peers_read:
    case Permission::personal_data_peers:
      return role == Role::admin || role == Role::operator_ || role == Role::auditor;
    case Permission::peers_write:
      return role == Role::admin || role == Role::operator_;
    case Permission::evidence_read:
    case Permission::personal_data:
      return role == Role::admin || role == Role::auditor;
    case Permission::registration_write:
    case Permission::reload:
    case Permission::custody:
    case Permission::shutdown:
      return role == Role::admin;
  }
  return false;
}

std::vector<std::string_view> names_of(const RoleSet& roles) {
  std::vector<std::string_view> names;
  for (Role role : kRoles) {
    if (roles.has(role)) names.push_back(to_string(role));
  }
  return names;
}

// "admin", "admin or auditor", "admin, operator or auditor"
std::string listed(const std::vector<std::string_view>& names, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? last : std::string_view{", "};
    text += names[i];
  }
  return text;
}

// What the permission lets a person do, to finish the sentence "... needs the role ...".
std::string_view activity(Permission permission) {
  switch (permission) {
    case Permission::status:
      return "reading the status";
    case Permission::peers_read:
      return "reading peers";
    case Permission::peers_write:
      return "changing peers";
    case Permission::evidence_read:
      return "reading sessions and evidence";
    case Permission::personal_data_peers:
      return "reading personal data of peers";
    case Permission::personal_data:
      return "reading personal data in sessions and evidence";
    case Permission::registration_read:
      return "reading the registration";
    case Permission::registration_write:
      return "changing the registration";
    case Permission::reload:
      return "reloading the configuration";
    case Permission::custody:
      return "holds, retention, erasure and changing the log's key";
    case Permission::shutdown:
      return "stopping the gateway";
  }
  return "this";
}

template <class Map, class Key>
void add_from(RoleSet& roles, const Map& map, const Key& key) {
  if (auto found = map.find(key); found != map.end()) roles.add(found->second);
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::admin:
      return "admin";
    case Role::operator_:
      return "operator";
    case Role::auditor:
      return "auditor";
    case Role::monitor:
      return "monitor";
  }
  return "unknown";
}

std::string_view to_string(Permission permission) noexcept {
  switch (permission) {
    case Permission::status:
      return "status";
    case Permission::peers_read:
      return "peers_read";
    case Permission::peers_write:
      return "peers_write";
    case Permission::evidence_read:
      return "evidence_read";
    case Permission::personal_data_peers:
      return "personal_data_peers";
    case Permission::personal_data:
      return "personal_data";
    case Permission::registration_read:
      return "registration_read";
    case Permission::registration_write:
      return "registration_write";
    case Permission::reload:
      return "reload";
    case Permission::custody:
      return "custody";
    case Permission::shutdown:
      return "shutdown";
  }
  return "unknown";
}

std::optional<Role> role_from_string(std::string_view text) noexcept {
  for (Role role : kRoles) {
    if (to_string(role) == text) return role;
  }
  return std::nullopt;
}

std::string RoleSet::to_string() const { return empty() ? "none" : listed(names_of(*this), ", "); }

RoleSet roles_of(const Actor& actor, const RoleMap& map) {
  RoleSet roles;
  if (actor.uid == 0) roles.add(Role::admin);
  add_from(roles, map.uids, actor.uid);
  // A uid without a name must not meet an entry with an empty one.
  if (!actor.user_name.empty()) add_from(roles, map.users, actor.user_name);
  for (const Group& group : actor.groups) {
    add_from(roles, map.gids, group.gid);
    if (!group.name.empty()) add_from(roles, map.groups, group.name);
  }
  return roles;
}

Decision decide(const RoleSet& roles, Permission permission) {
  Decision decision;
  for (Role role : kRoles) {
    if (roles.has(role) && grants(role, permission)) decision = {true, role};
  }
  return decision;
}

RoleSet roles_with(Permission permission) {
  RoleSet roles;
  for (Role role : kRoles) {
    if (grants(role, permission)) roles.add(role);
  }
  return roles;
}

Error explain(const Actor& actor, const RoleSet& roles, Permission permission) {
  std::string who = "user ";
  who += actor.user_name.empty() ? "(uid " : "\"" + actor.user_name + "\" (uid ";
  who += std::to_string(actor.uid) + ")";
  constexpr std::string_view kWhere = "access.roles in /etc/sanad/sanad.yaml";
  if (roles.empty()) {
    return {Errc::permission_denied, who + " has no role on this gateway", {}, "An admin can give one: " + std::string{kWhere}};
  }
  std::string message = who + " is " + listed(names_of(roles), " and ") + "; ";
  message += std::string{activity(permission)} + " needs the role " + listed(names_of(roles_with(permission)), " or ");
  return {Errc::permission_denied, std::move(message), {}, "An admin can give it: " + std::string{kWhere}};
}

}  // namespace sanad::access
