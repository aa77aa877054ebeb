#include "control/api/json_in.hpp"

#include <gtest/gtest.h>

#include "control/api/peer_in.hpp"

namespace sanad::api {
namespace {

std::string nested(std::size_t levels) {
  std::string out = "{\"a\":";
  for (std::size_t i = 1; i < levels; ++i) out += "[";
  for (std::size_t i = 1; i < levels; ++i) out += "]";
  return out + "}";
}

TEST(ParseObject, RefusesWhatIsNotOneStrictObject) {
  const std::string cases[] = {
      "",
      "{",
      "{\"a\":1",
      "{\"a\":1}}",
      "{\"a\":1} x",
      "{\"a\":1}{\"b\":2}",
      "{a:1}",
      "{'a':1}",
      "{\"a\":1,}",
      "{\"a\":01}",
      "{\"a\":NaN}",
      "{\"a\":Infinity}",
      "{\"a\":+1}",
      "{\"a\":.5}",
      "{\"a\":\"\x01\"}",
      "{\"a\":\"line\nbreak\"}",
      std::string("{\"a\":\"nul\0\"}", 12),
      "{\"a\":\"\xff\xfe\"}",
      "{\"a\":\"\xc0\x80\"}",
      "{\"a\":\"\\ud800\"}",
      "{\"a\":/* no */1}",
      "\xef\xbb\xbf{\"a\":1}",
      "[]",
      "null",
      "\"text\"",
      nested(kMaxJsonDepth + 1),
      std::string(100'000, '['),
  };
  for (const std::string& text : cases) {
    const auto parsed = parse_object(text);
    ASSERT_FALSE(parsed) << text.substr(0, 40);
    EXPECT_EQ(parsed.error().code, Errc::invalid_argument);
    EXPECT_FALSE(parsed.error().message.empty());
  }
}

TEST(ParseObject, TakesTheDeepestAllowedAndSpaceAround) {
  EXPECT_TRUE(parse_object(nested(kMaxJsonDepth)));
  EXPECT_TRUE(parse_object(" \r\n\t{ \"a\" : [1, {\"b\": null}] }\n"));
}

TEST(ParseObject, NamesTheKeyThatIsThereTwice) {
  const auto top = parse_object(R"({"device":"a","note":"","device":"b"})");
  ASSERT_FALSE(top);
  EXPECT_EQ(top.error().field, "device");
  const auto inner = parse_object(R"({"list":[{"x":1},{"y":{"z":1,"z":1}}]})");
  ASSERT_FALSE(inner);
  EXPECT_EQ(inner.error().field, "list[1].y.z");
  const auto escaped = parse_object(R"({"device":1,"d\u0065vice":2})");
  ASSERT_FALSE(escaped);
  EXPECT_EQ(escaped.error().field, "device");
  EXPECT_TRUE(parse_object(R"({"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]})"));
}

constexpr auto kKey = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

std::string field_of(const std::string& text) {
  const auto object = parse_object(text);
  if (!object) return "(not an object) " + object.error().message;
  const auto creation = parse_peer_creation(*object);
  if (creation) return "(accepted)";
  EXPECT_EQ(creation.error().code, Errc::invalid_argument);
  return creation.error().field;
}

std::string with(const std::string& member) {
  return R"({"owner":{"name":"Ayesha"},"public_key":")" + std::string(kKey) + "\"" + (member.empty() ? "" : "," + member) + "}";
}

TEST(PeerCreation, NamesTheFieldAtFault) {
  const std::pair<std::string, std::string> cases[] = {
      {with(""), "(accepted)"},
      {with(R"("allowed_ips":["10.66.0.2/32","fd66::2/128"],"keepalive_s":25,"groups":["a"],"note":"n","not_before":null)"),
       "(accepted)"},
      {with(R"("nmae":1)"), "nmae"},
      {with(R"("device":1)"), "device"},
      {with(R"("device":null)"), "device"},
      {with(R"("device":"")"), "device"},
      {with(R"("device":"a\u0000b")"), "device"},
      {with(R"("device":"a\r\nb")"), "device"},
      {with("\"device\":\"" + std::string(65, 'x') + "\""), "device"},
      {with("\"note\":\"" + std::string(1025, 'x') + "\""), "note"},
      {with(R"("note":"two\nlines")"), "note"},
      {with(R"("keepalive_s":"25")"), "keepalive_s"},
      {with(R"("keepalive_s":25.0)"), "keepalive_s"},
      {with(R"("keepalive_s":-1)"), "keepalive_s"},
      {with(R"("keepalive_s":65536)"), "keepalive_s"},
      {with(R"("keepalive_s":99999999999999999999)"), "keepalive_s"},
      {with(R"("enabled":1)"), "enabled"},
      {with(R"("expires_at":"tomorrow")"), "expires_at"},
      {with(R"("expires_at":1700000000)"), "expires_at"},
      {with(R"("allowed_ips":"10.66.0.2/32")"), "allowed_ips"},
      {with(R"("allowed_ips":[])"), "allowed_ips"},
      {with(R"("allowed_ips":["10.66.0.2/32",7])"), "allowed_ips[1]"},
      {with(R"("allowed_ips":["10.66.0.2/32","10.66.0.2/8"])"), "allowed_ips[1]"},
      {with(R"("allowed_ips":["fe80::1%eth0/128"])"), "allowed_ips[0]"},
      {with(R"("groups":["ok",""])"), "groups[1]"},
      {with(R"("preshared_key":"maybe")"), "preshared_key"},
      {with(R"("preshared_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")"), "preshared_key"},
      {with(R"("preshared_key":"none")"), "(accepted)"},
      {with(R"("make_key":true)"), "make_key"},
      {R"({"owner":{"name":"A"}})", "public_key"},
      {R"({"owner":{"name":"A"},"make_key":true})", "(accepted)"},
      {R"({"owner":{"name":"A"},"make_key":true,"profile":false})", "profile"},
      {R"({"owner":{"name":"A"},"public_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})", "public_key"},
      {R"({"owner":{"name":"A"},"public_key":"short"})", "public_key"},
      {R"({"make_key":true})", "owner"},
      {R"({"owner":"Ayesha","make_key":true})", "owner"},
      {R"({"owner":{},"make_key":true})", "owner.name"},
      {R"({"owner":{"name":""},"make_key":true})", "owner.name"},
      {R"({"owner":{"name":"A","phone":"1"},"make_key":true})", "owner.phone"},
      {R"({"owner":{"id":"o-abc","name":"A"},"make_key":true})", "owner.name"},
      {R"({"owner":{"name":"A","email":5},"make_key":true})", "owner.email"},
      {R"({"owner":{"name":"A","email":null,"handle":null},"make_key":true})", "(accepted)"},
      {R"({"owner":{"name":"A"},"make_key":true,"a\nb":1})", "(unprintable)"},
  };
  for (const auto& [text, field] : cases) EXPECT_EQ(field_of(text), field) << text.substr(0, 200);
}

TEST(PeerCreation, NeverRepeatsAPresharedKeyInAnError) {
  const auto object = parse_object(with(R"("preshared_key":"c2VjcmV0LXNlY3JldC1zZWNyZXQ")"));
  ASSERT_TRUE(object);
  const auto creation = parse_peer_creation(*object);
  ASSERT_FALSE(creation);
  EXPECT_EQ(creation.error().message.find("c2Vj"), std::string::npos);
}

TEST(PeerEdit, TellsLeaveFromClear) {
  const auto object = parse_object(R"({"owner":{"email":null},"expires_at":null,"keepalive_s":null})");
  ASSERT_TRUE(object);
  const auto edit = parse_peer_edit(*object);
  ASSERT_TRUE(edit);
  EXPECT_EQ(edit->owner_email, std::optional<std::string>(""));
  EXPECT_FALSE(edit->owner_name);
  ASSERT_TRUE(edit->expires_at.has_value());
  EXPECT_FALSE(edit->expires_at->has_value());
  EXPECT_FALSE(edit->not_before.has_value());
  EXPECT_EQ(edit->keepalive_s, std::optional<std::uint16_t>(0));
  EXPECT_FALSE(edit->device);
  EXPECT_FALSE(parse_peer_edit(boost::json::object{}));
}

TEST(ImportLine, WantsTheClientsKey) {
  EXPECT_TRUE(parse_import_line(with("")));
  const auto made = parse_import_line(R"({"owner":{"name":"A"},"make_key":true})");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().field, "make_key");
}

}  // namespace
}  // namespace sanad::api
