#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/audit/canonical.hpp"
#include "control/audit/leaf.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

namespace json = boost::json;

FillRandom counting() {
  return [next = std::uint8_t{0}](std::span<std::uint8_t> out) mutable {
    for (auto& byte : out) byte = next++;
  };
}

EventDraft draft() {
  return {{{"class_uid", 4014}, {"activity_id", 1}},
          {{"user.name", json::value("Ayesha Khan"), "o-1"}, {"src_endpoint.port", json::value(51820), "o-1"}}};
}

TEST(Leaf, HasExactlyTheBytesWeSay) {
  const auto leaf = make_leaf({17, WallTime::from_ms(1'795'510'800'123), 3}, draft(), counting());
  ASSERT_TRUE(leaf) << leaf.error().message;
  const auto digest = [](const Disclosure& d) { return disclosure_digest(disclosure_text(d).value()); };
  std::string first = digest(leaf->disclosures[0]);
  std::string second = digest(leaf->disclosures[1]);
  if (second < first) std::swap(first, second);
  EXPECT_EQ(leaf->bytes, R"({"_sd":[")" + first + R"(",")" + second +
                             R"("],"_sd_alg":"sha-256","epoch":3,"event":{"activity_id":1,"class_uid":4014},"i":17,)" +
                             R"("salt":"ICEiIyQlJicoKSorLC0uLw","t":1795510800123,"v":1})");
  EXPECT_EQ(leaf->disclosures[0].salt, "AAECAwQFBgcICQoLDA0ODw");
  EXPECT_EQ(leaf->disclosures[0].value_json, "\"Ayesha Khan\"");
  EXPECT_EQ(leaf->disclosures[1].value_json, "51820");
}

TEST(Leaf, IsItsOwnCanonicalForm) {
  const auto leaf = make_leaf({0, WallTime::from_ms(1), 1}, draft(), counting()).value();
  EXPECT_EQ(canonical_json(json::parse(leaf.bytes)).value(), leaf.bytes);
  const auto bare = make_leaf({0, WallTime::from_ms(1), 1}, {{{"a", 1}}, {}}, counting()).value();
  EXPECT_EQ(canonical_json(json::parse(bare.bytes)).value(), bare.bytes);
  EXPECT_TRUE(json::parse(bare.bytes).at("_sd").as_array().empty());
}

TEST(Leaf, ShowsNothingPersonal) {
  const auto leaf = make_leaf({0, WallTime::from_ms(1), 1}, draft(), system_random()).value();
  EXPECT_EQ(leaf.bytes.find("Ayesha"), std::string::npos);
  EXPECT_EQ(leaf.bytes.find("51820"), std::string::npos);
}

TEST(Leaf, SaltsDifferEveryTime) {
  const auto random = system_random();
  std::set<std::string> salts;
  for (int i = 0; i < 1000; ++i) {
    const auto leaf = make_leaf({0, WallTime::from_ms(1), 1}, draft(), random).value();
    for (const auto& d : leaf.disclosures) salts.insert(d.salt);
    salts.insert(std::string(json::parse(leaf.bytes).at("salt").as_string()));
  }
  EXPECT_EQ(salts.size(), 3000U);
}

TEST(Leaf, DigestsAreThoseOfRfc9901) {
  EXPECT_EQ(disclosure_digest(base64url_encode(as_bytes(R"(["6Ij7tM-a5iVPGboS5tmvVA", "email", "johndoe@example.com"])"))),
            "JzYjH4svliH0R3PyEMfeZu6Jt69u5qehZo7F7EPYlSE");
  EXPECT_EQ(disclosure_text({"email", "\"a\"", "s", {}}).value(), base64url_encode(as_bytes(R"(["s","email","a"])")));
}

TEST(Leaf, EndsAtWhatALogEntryHolds) {
  const auto with_text = [](std::size_t n) {
    return make_leaf({0, WallTime::from_ms(1), 1}, {{{"a", std::string(n, 'x')}}, {}}, counting());
  };
  const std::size_t frame = with_text(0)->bytes.size();
  EXPECT_EQ(with_text(kMaxLeafBytes - frame)->bytes.size(), kMaxLeafBytes);
  EXPECT_EQ(with_text(kMaxLeafBytes - frame + 1).error().code, Errc::invalid_argument);
}

TEST(Leaf, RefusesAnEventThatIsNotCanonical) {
  EXPECT_EQ(make_leaf({}, {{{"a", 0.5}}, {}}, counting()).error().field, "a");
  EXPECT_FALSE(make_leaf({}, {{}, {{"user.name", json::value("\xFF"), {}}}}, counting()));
}

}  // namespace
}  // namespace sanad::audit
