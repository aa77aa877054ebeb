#include "control/api/routes.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include "control/api/openapi.hpp"

namespace sanad::api {
namespace {

TEST(Target, RefusesWhatCouldBeReadTwoWays) {
  for (const std::string_view target :
       {"", "v1/peers", "*", "http://sanad/v1/status", "//v1/status", "/v1//status", "/v1/status/", "/v1/./status", "/v1/../etc",
        "/v1/peers/..", "/v1/%73tatus", "/v1/peers/p%2Fq", "/v1/st\x7f", "/v1/status#a", "/v1/a b", "/v1/\xc3\xa9", "/v1/a\\b"}) {
    EXPECT_FALSE(parse_target(target)) << target;
  }
  EXPECT_FALSE(parse_target(std::string_view("/v1/a\0b", 7)));
  const auto good = parse_target("/v1/peers/p-abc?limit=5&x=%2F");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->path, "/v1/peers/p-abc");
  EXPECT_EQ(good->query, "limit=5&x=%2F");
}

TEST(QueryParameters, AreStrict) {
  const std::set<std::string_view> known{"match", "limit", "at", "active", "inner"};
  for (const std::string_view text :
       {"limti=5", "limit=1&limit=2", "match=%0a", "match=%zz", "match=%", "match=%00", "match=%ff"}) {
    EXPECT_FALSE(Query::parse(text, known)) << text;
  }
  auto query = Query::parse("match=Ayesha+Khan%2B&limit=7&at=2026-11-24T09:04:11%2B05:00&active=true&inner=10.66.0.2", known);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text("match"), "Ayesha Khan+");
  EXPECT_EQ(query->integer("limit", 1, 1000), 7U);
  EXPECT_EQ(to_rfc3339(query->time("at").value_or(WallTime{})), "2026-11-24T04:04:11.000Z");
  EXPECT_EQ(query->boolean("active"), true);
  EXPECT_EQ(query->address("inner").value_or(IpAddress{}).to_string(), "10.66.0.2");
  EXPECT_TRUE(query->finish());

  for (const std::string_view text :
       {"limit=0", "limit=1001", "limit=-1", "limit=+5", "limit=5x", "limit=", "limit=99999999999999999999"}) {
    auto wrong = Query::parse(text, known);
    ASSERT_TRUE(wrong);
    EXPECT_FALSE(wrong->integer("limit", 1, 1000)) << text;
    const auto finished = wrong->finish();
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().field, "limit");
  }
}

TEST(Routes, AreSortedAndUnique) {
  for (std::size_t i = 1; i < routes().size(); ++i) {
    const Route& before = routes()[i - 1];
    const Route& row = routes()[i];
    EXPECT_LT(std::tie(before.pattern, before.method), std::tie(row.pattern, row.method)) << row.operation();
  }
  for (const Route& row : routes()) {
    EXPECT_FALSE(access::roles_with(row.needs.permission()).empty()) << row.operation();
    EXPECT_NE(row.handler, nullptr);
    EXPECT_EQ(row.needs.permission() == access::Permission::evidence_read, !row.reads.empty())
        << row.operation() << ": what reads evidence must be recorded, and nothing else is";
  }
}

TEST(Routes, AreFoundExactly) {
  const Match peer = find_route("PATCH", "/v1/peers/p-abc");
  ASSERT_NE(peer.route, nullptr);
  EXPECT_EQ(peer.route->operation(), "PATCH /v1/peers/{id}");
  EXPECT_EQ(peer.id, "p-abc");
  EXPECT_EQ(find_route("POST", "/v1/peers/p-abc/rotate-psk").id, "p-abc");
  // The literal path wins: nothing named "import" can be asked for or revoked.
  EXPECT_EQ(find_route("POST", "/v1/peers/import").route->operation(), "POST /v1/peers/import");
  EXPECT_EQ(find_route("DELETE", "/v1/peers/import").route, nullptr);
  EXPECT_EQ(find_route("DELETE", "/v1/peers/import").allowed, std::vector<std::string_view>{"POST"});
  EXPECT_EQ(find_route("HEAD", "/v1/status").route, nullptr);
  for (const std::string_view path :
       {"/", "/v1", "/v1/peer", "/v1/peers/a/b/c", "/v1/peers/a/enable/x", "/v2/status", "/v1/Status", "/v1/sessions/a/b"}) {
    EXPECT_TRUE(find_route("GET", path).allowed.empty()) << path;
  }
}

// The description and the table say the same of every operation: path, method, permission, query parameters.
TEST(OpenApi, ListsExactlyTheRoutes) {
  const YAML::Node document = YAML::Load(std::string(kOpenapiYaml));
  const auto resolve = [&](const YAML::Node& node) {
    if (!node["$ref"]) return node;
    const auto path = node["$ref"].as<std::string>();
    return document["components"]["parameters"][path.substr(path.rfind('/') + 1)];
  };
  const std::set<std::string> methods{"get", "put", "post", "delete", "options", "head", "patch", "trace"};
  std::map<std::string, std::pair<std::string, std::set<std::string>>> described;
  for (const auto& path : document["paths"]) {
    for (const auto& entry : path.second) {
      const auto method = entry.first.as<std::string>();
      if (!methods.contains(method)) continue;
      std::set<std::string> parameters;
      if (entry.second["parameters"]) {
        for (const auto& parameter : entry.second["parameters"]) {
          const YAML::Node resolved = resolve(parameter);
          if (resolved["in"].as<std::string>() == "query") parameters.insert(resolved["name"].as<std::string>());
        }
      }
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(c));
      described[upper + " " + path.first.as<std::string>()] = {entry.second["x-permission"].as<std::string>("(none)"),
                                                               parameters};
    }
  }
  std::map<std::string, std::pair<std::string, std::set<std::string>>> table;
  for (const Route& row : routes()) {
    std::set<std::string> parameters;
    for (std::string_view rest = row.parameters; !rest.empty();) {
      const std::string_view name = rest.substr(0, rest.find(' '));
      parameters.emplace(name);
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
    table[row.operation()] = {std::string(to_string(row.needs.permission())), parameters};
  }
  EXPECT_EQ(described, table);
}

TEST(Problem, MapsEveryErrorOnce) {
  const std::pair<Errc, unsigned> cases[] = {
      {Errc::invalid_argument, 400}, {Errc::permission_denied, 403}, {Errc::not_found, 404},
      {Errc::conflict, 409},         {Errc::refused_by_policy, 403}, {Errc::exhausted, 409},
      {Errc::unavailable, 503},      {Errc::unsupported, 501},       {Errc::io, 503},
      {Errc::corrupt, 500},          {Errc::timeout, 504},           {Errc::internal, 500}};
  for (const auto& [code, status] : cases) {
    const Response response = problem(Error{code, "why", "a.b[1]", "what to do"});
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.content_type, "application/problem+json");
    EXPECT_NE(response.body.find("urn:sanad:problem:" + std::string(to_string(code))), std::string::npos);
    EXPECT_NE(response.body.find("\"field\":\"a.b[1]\""), std::string::npos);
    EXPECT_NE(response.body.find("\"hint\":\"what to do\""), std::string::npos);
  }
  EXPECT_EQ(status_of(Error{Errc::conflict, "stale", "If-Match"}), 412U);
}

}  // namespace
}  // namespace sanad::api
