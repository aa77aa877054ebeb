#include "control/service/peer_rules.hpp"

#include <gtest/gtest.h>

#include "tests/unit/service/support.hpp"

namespace sanad::service {
namespace {

using testing::prefix;

class PeerRules : public ::testing::Test {
 protected:
  PeerRules() {
    interface_.addresses = {InterfaceAddress::parse("10.66.0.1/16").value(), InterfaceAddress::parse("fd66::1/64").value()};
    good_.owner_name = "Ayesha Khan";
    good_.owner_email = "ayesha@example.com";
    good_.device = "laptop";
    good_.public_key = key_.to_base64();
  }
  [[nodiscard]] RulesContext context() const { return {interface_, {own_}, now_}; }
  // The field at fault, or "" when the peer is taken.
  std::string fault(const std::function<void(NewPeer&)>& change) {
    NewPeer peer = good_;
    change(peer);
    auto checked = check_new_peer(peer, context());
    if (checked) return "";
    EXPECT_EQ(checked.error().code, Errc::invalid_argument);
    EXPECT_FALSE(checked.error().message.empty());
    return checked.error().field;
  }
  std::string edit_fault(const std::function<void(PeerEdit&)>& change) {
    auto record = check_new_peer(good_, context()).value();
    record.owner = {"o-1", "ayesha-khan", "Ayesha Khan", ""};
    PeerEdit edit;
    change(edit);
    auto checked = apply_edit(record, edit, context());
    return checked ? "" : checked.error().field;
  }

  config::Interface interface_;
  wg::PublicKey key_ = testing::key_number(5);
  wg::PublicKey own_ = testing::key_number(9);
  WallTime now_ = parse_rfc3339("2026-11-24T12:00:00Z").value();
  NewPeer good_;
};

TEST_F(PeerRules, FillsTheRecord) {
  auto record = check_new_peer(good_, context());
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->interface, "wg0");
  EXPECT_EQ(record->public_key, key_);
  EXPECT_EQ(record->keepalive_s, interface_.client.keepalive_s);
  EXPECT_TRUE(record->allowed_ips.empty());
  EXPECT_TRUE(record->enabled);
}

TEST_F(PeerRules, NewPeersFieldByField) {
  struct Case {
    const char* field;
    std::function<void(NewPeer&)> change;
  };
  const auto with_ips = [](std::vector<std::string> texts) {
    return [texts](NewPeer& p) {
      p.allowed_ips.emplace();
      for (const auto& text : texts) p.allowed_ips->push_back(prefix(text));
    };
  };
  const std::vector<Case> cases{
      {"owner.name", [](NewPeer& p) { p.owner_name = p.owner_email = ""; }},
      {"owner.name", [](NewPeer& p) { p.owner_name = std::string(kMaxPersonName + 1, 'x'); }},
      {"owner.name", [](NewPeer& p) { p.owner_name = "a\r\nb"; }},
      {"owner.name", [](NewPeer& p) { p.owner_name = std::string("a\0b", 3); }},
      {"owner.name", [](NewPeer& p) { p.owner_name = "\xff"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = "ayesha"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = "@example.com"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = "a@"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = "a@b@c"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = "a b@c"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = "a@b\n"; }},
      {"owner.email", [](NewPeer& p) { p.owner_email = std::string(250, 'x') + "@b.co"; }},
      {"owner.handle", [](NewPeer& p) { p.owner_handle = "Ayesha"; }},
      {"owner.handle", [](NewPeer& p) { p.owner_handle = "a/b"; }},
      {"owner.handle", [](NewPeer& p) { p.owner_handle = "-a"; }},
      {"device", [](NewPeer& p) { p.device = ""; }},
      {"device", [](NewPeer& p) { p.device = "lap top"; }},
      {"device", [](NewPeer& p) { p.device = "laptop-"; }},
      {"device", [](NewPeer& p) { p.device = "../x"; }},
      {"device", [](NewPeer& p) { p.device = std::string(kMaxSlug + 1, 'x'); }},
      {"public_key", [](NewPeer& p) { p.public_key = ""; }},
      {"public_key", [](NewPeer& p) { p.public_key = "short"; }},
      {"public_key", [](NewPeer& p) { p.public_key = p.public_key->substr(0, 43) + "!"; }},
      {"public_key", [](NewPeer& p) { p.public_key = wg::PublicKey{}.to_base64(); }},
      {"public_key", [this](NewPeer& p) { p.public_key = own_.to_base64(); }},
      {"preshared_key", [](NewPeer& p) { p.preshared = PresharedChoice::given; }},
      {"allowed_ips", with_ips({})},
      {"allowed_ips[0]", with_ips({"10.66.0.1"})},
      {"allowed_ips[0]", with_ips({"10.0.0.0/8"})},
      {"allowed_ips[0]", with_ips({"0.0.0.0/0"})},
      {"allowed_ips[1]", with_ips({"10.66.0.2", "fd66::/64"})},
      {"allowed_ips[1]", with_ips({"10.66.0.2", "10.66.0.2"})},
      {"allowed_ips[2]", with_ips({"192.168.1.0/24", "10.66.0.2", "192.168.1.7"})},
      {"allowed_ips",
       [](NewPeer& p) {
         p.allowed_ips.emplace();
         for (std::uint64_t i = 0; i <= kMaxAllowedIps; ++i)
           p.allowed_ips->push_back(IpPrefix::host(IpAddress::parse("10.66.1.0").value().plus(i)));
       }},
      {"expires_at", [this](NewPeer& p) { p.expires_at = now_; }},
      {"expires_at", [this](NewPeer& p) { p.expires_at = now_ - std::chrono::seconds{1}; }},
      {"not_before",
       [this](NewPeer& p) {
         p.not_before = now_ + std::chrono::hours{2};
         p.expires_at = now_ + std::chrono::hours{2};
       }},
      {"groups", [](NewPeer& p) { p.groups.assign(kMaxGroups + 1, "g"); }},
      {"groups[0]", [](NewPeer& p) { p.groups = {""}; }},
      {"groups[1]",
       [](NewPeer& p) {
         p.groups = {"a", "B"};
       }},
      {"groups[2]",
       [](NewPeer& p) {
         p.groups = {"a", "b", "a"};
       }},
      {"note", [](NewPeer& p) { p.note = std::string(kMaxNote + 1, 'x'); }},
      {"note", [](NewPeer& p) { p.note = "two\nlines"; }},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(fault(cases[i].change), cases[i].field) << "case " << i;
}

TEST_F(PeerRules, LimitsThemselvesAreTaken) {
  EXPECT_EQ(fault([](NewPeer& p) { p.owner_name = std::string(kMaxPersonName, 'x'); }), "");
  EXPECT_EQ(fault([](NewPeer& p) { p.device = std::string(kMaxSlug, 'x'); }), "");
  EXPECT_EQ(fault([](NewPeer& p) { p.note = std::string(kMaxNote, 'x'); }), "");
  EXPECT_EQ(fault([this](NewPeer& p) { p.expires_at = now_ + std::chrono::nanoseconds{1}; }), "");
  EXPECT_EQ(fault([](NewPeer& p) {
              p.allowed_ips = {prefix("10.66.0.2/32"), prefix("fd66::2/128"), prefix("192.168.7.0/24")};
            }),
            "");
  EXPECT_EQ(fault([](NewPeer& p) { p.owner_email = ""; }), "");
  EXPECT_EQ(fault([](NewPeer& p) { p.keepalive_s = 0; }), "");
}

TEST_F(PeerRules, EditsAreHeldToTheSameRules) {
  EXPECT_EQ(edit_fault([](PeerEdit&) {}), "");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.device = "a b"; }), "device");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.owner_name = ""; }), "owner.name");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.owner_email = "x"; }), "owner.email");
  EXPECT_EQ(edit_fault([this](PeerEdit& e) { e.public_key = own_.to_base64(); }), "public_key");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.allowed_ips.emplace(); }), "allowed_ips");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.allowed_ips = {prefix("10.66.0.0/16")}; }), "allowed_ips[0]");
  EXPECT_EQ(edit_fault([this](PeerEdit& e) { e.expires_at = std::optional(now_); }), "expires_at");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.expires_at = std::optional<WallTime>{}; }), "");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.groups = {"x", "x"}; }), "groups[1]");
  EXPECT_EQ(edit_fault([](PeerEdit& e) { e.note = "\x7f"; }), "note");
}

TEST_F(PeerRules, AnExpiredPeerMayStillBeNoted) {
  auto record = check_new_peer(good_, context()).value();
  record.expires_at = now_ - std::chrono::hours{1};
  PeerEdit edit;
  edit.note = "left on Monday";
  EXPECT_TRUE(apply_edit(record, edit, context()));
}

}  // namespace
}  // namespace sanad::service
