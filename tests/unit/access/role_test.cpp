#include "control/access/role.hpp"

#include <gtest/gtest.h>

#include <array>
#include <iterator>

namespace sanad::access {
namespace {

struct Row {
  Permission permission;
  std::array<bool, 4> granted;  // admin, operator, auditor, monitor
};

// The table of the admin API's documentation, written out again by hand.
constexpr Row kTable[] = {
    {Permission::status, {true, true, true, true}},
    {Permission::peers_read, {true, true, true, false}},
    {Permission::peers_write, {true, true, false, false}},
    {Permission::evidence_read, {true, false, true, false}},
    {Permission::personal_data_peers, {true, true, true, false}},
    {Permission::personal_data, {true, false, true, false}},
    {Permission::registration_read, {true, true, true, true}},
    {Permission::registration_write, {true, false, false, false}},
    {Permission::reload, {true, false, false, false}},
    {Permission::custody, {true, false, false, false}},
    {Permission::shutdown, {true, false, false, false}},
};

Actor actor(uid_t uid, std::string name, std::vector<Group> groups = {}) {
  Actor a;
  a.uid = uid;
  a.user_name = std::move(name);
  a.groups = std::move(groups);
  return a;
}

TEST(Role, EveryRoleAndPermission) {
  ASSERT_EQ(std::size(kTable), std::size(kPermissions));
  for (std::size_t p = 0; p < std::size(kTable); ++p) {
    EXPECT_EQ(kTable[p].permission, kPermissions[p]);
    for (std::size_t r = 0; r < std::size(kRoles); ++r) {
      const Decision decision = decide(RoleSet{kRoles[r]}, kTable[p].permission);
      EXPECT_EQ(decision.allowed, kTable[p].granted[r]) << to_string(kRoles[r]) << " " << to_string(kTable[p].permission);
      EXPECT_EQ(decision.role.has_value(), decision.allowed);
      EXPECT_EQ(roles_with(kTable[p].permission).has(kRoles[r]), kTable[p].granted[r]);
    }
    EXPECT_FALSE(decide(RoleSet{}, kTable[p].permission).allowed) << to_string(kTable[p].permission);
  }
}

TEST(Role, EverySetIsTheUnionOfItsRoles) {
  for (unsigned bits = 0; bits < 16; ++bits) {
    RoleSet roles;
    for (unsigned r = 0; r < 4; ++r) {
      if ((bits & (1U << r)) != 0) roles.add(kRoles[r]);
    }
    for (const Row& row : kTable) {
      bool expected = false;
      for (unsigned r = 0; r < 4; ++r) expected = expected || ((bits & (1U << r)) != 0 && row.granted[r]);
      EXPECT_EQ(decide(roles, row.permission).allowed, expected) << roles.to_string() << " " << to_string(row.permission);
    }
  }
}

TEST(Role, APermissionNobodyKnowsIsRefusedToTheAdminToo) {
  EXPECT_FALSE(decide(RoleSet{Role::admin}, static_cast<Permission>(200)).allowed);
}

TEST(Role, TheWeakestSufficientRoleIsNamed) {
  EXPECT_EQ(decide(RoleSet{Role::admin, Role::auditor}, Permission::evidence_read).role, Role::auditor);
  EXPECT_EQ(decide(RoleSet{Role::admin, Role::auditor}, Permission::reload).role, Role::admin);
}

TEST(Role, NamesGoBothWays) {
  for (Role role : kRoles) EXPECT_EQ(role_from_string(to_string(role)), role);
  for (const char* text : {"", "Admin", "root", "operator_", "admin "}) EXPECT_EQ(role_from_string(text), std::nullopt) << text;
}

TEST(Role, WithoutAMapOnlyRootIsSomebody) {
  EXPECT_EQ(roles_of(actor(0, "root"), {}), RoleSet{Role::admin});
  EXPECT_EQ(roles_of(actor(1, "root"), {}), RoleSet{});
  EXPECT_EQ(roles_of(actor(1004, "guest", {{1004, "guest"}, {27, "sudo"}}), {}), RoleSet{});
}

TEST(Role, UidsUsersGidsAndGroupsAddUp) {
  RoleMap map;
  map.uids[1001] = RoleSet{Role::monitor};
  map.users["bilal"] = RoleSet{Role::operator_};
  map.gids[500] = RoleSet{Role::auditor};
  map.groups["wheel"] = RoleSet{Role::admin};
  EXPECT_EQ(roles_of(actor(1001, "x"), map), RoleSet{Role::monitor});
  EXPECT_EQ(roles_of(actor(9, "bilal"), map), RoleSet{Role::operator_});
  EXPECT_EQ(roles_of(actor(9, "y", {{500, ""}}), map), RoleSet{Role::auditor});
  EXPECT_EQ(roles_of(actor(9, "y", {{501, "wheel"}}), map), RoleSet{Role::admin});
  EXPECT_EQ(roles_of(actor(1001, "bilal", {{500, "wheel"}}), map),
            (RoleSet{Role::monitor, Role::operator_, Role::auditor, Role::admin}));
  EXPECT_EQ(roles_of(actor(9, "wheel", {{9, "bilal"}}), map), RoleSet{});  // a group's name is not a user's
}

TEST(Role, AnUnknownNameMatchesNoEntry) {
  RoleMap map;
  map.users[""] = RoleSet{Role::admin};
  map.groups[""] = RoleSet{Role::admin};
  EXPECT_EQ(roles_of(actor(4242, "", {{4242, ""}}), map), RoleSet{});
}

TEST(Role, ExplainsToWhoHasNone) {
  const Error error = explain(actor(1004, "guest"), {}, Permission::peers_read);
  EXPECT_EQ(error.code, Errc::permission_denied);
  EXPECT_EQ(error.message, "user \"guest\" (uid 1004) has no role on this gateway");
  EXPECT_EQ(error.hint, "An admin can give one: access.roles in /etc/sanad/sanad.yaml");
  EXPECT_EQ(explain(actor(1004, ""), {}, Permission::status).message, "user (uid 1004) has no role on this gateway");
}

TEST(Role, ExplainsToWhoHasTheWrongOne) {
  EXPECT_EQ(explain(actor(1005, "noc"), {Role::monitor}, Permission::peers_read).message,
            "user \"noc\" (uid 1005) is monitor; reading peers needs the role admin, operator or auditor");
  EXPECT_EQ(explain(actor(1005, "noc"), {Role::monitor, Role::operator_}, Permission::shutdown).message,
            "user \"noc\" (uid 1005) is operator and monitor; stopping the gateway needs the role admin");
  for (Permission permission : kPermissions) {
    EXPECT_NE(explain(actor(5, "a"), {Role::monitor}, permission).message.find(" needs the role "), std::string::npos);
    EXPECT_EQ(explain(actor(5, "a"), {Role::monitor}, permission).message.find("this needs"), std::string::npos);
  }
}

}  // namespace
}  // namespace sanad::access
