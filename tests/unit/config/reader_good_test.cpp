#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/documents.hpp"
#include "tests/unit/config/fake_files.hpp"

namespace sanad::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Config must_parse(std::string_view text, FakeFiles& files) {
  ReadOutcome outcome = parse(text, "sanad.yaml", files);
  EXPECT_THAT(outcome.errors, IsEmpty());
  return outcome.config.value_or(Config{});
}

IpPrefix prefix(std::string_view text) { return *IpPrefix::parse(text); }

TEST(GoodConfig, SmallestFileGetsEveryDefault) {
  FakeFiles files;
  const Config config = must_parse(kSmallest, files);
  EXPECT_EQ(config.gateway.id, "example-khi-1");
  EXPECT_EQ(config.gateway.state_dir, "/var/lib/sanad");
  EXPECT_EQ(config.socket.path, "/run/sanad/admin.sock");
  EXPECT_EQ(config.socket.group, "sanad");
  EXPECT_EQ(config.socket.mode, 0660U);
  EXPECT_THAT(config.access.roles, IsEmpty());
  ASSERT_EQ(config.interfaces.size(), 1U);
  const Interface& wg0 = config.interfaces[0];
  EXPECT_EQ(wg0.name, "wg0");
  EXPECT_EQ(wg0.backend, Backend::automatic);
  EXPECT_EQ(wg0.private_key.path, "/var/lib/sanad/keys/wg0.key");
  EXPECT_EQ(wg0.listen_port, 51820);
  EXPECT_THAT(wg0.pools, ElementsAre(prefix("10.66.0.0/16"), prefix("fd66::/64")));
  EXPECT_EQ(wg0.quarantine, std::chrono::days{30});
  EXPECT_FALSE(wg0.nat.masquerade);
  EXPECT_EQ(wg0.nat.sources, wg0.pools);
  EXPECT_FALSE(wg0.peers_may_talk);
  EXPECT_EQ(wg0.client.routing, Routing::split);
  EXPECT_EQ(wg0.client.routes, wg0.pools);
  EXPECT_EQ(wg0.client.endpoint_host, "");
  EXPECT_EQ(wg0.client.endpoint_port, 51820);
  EXPECT_EQ(wg0.client.keepalive_s, 25);
  EXPECT_EQ(wg0.client.name, "example-khi-1");
  EXPECT_EQ(config.sessions.poll_interval, std::chrono::seconds{10});
  EXPECT_EQ(config.sessions.idle_timeout, std::chrono::seconds{180});
  EXPECT_EQ(config.sessions.checkpoint, std::chrono::seconds{60});
  EXPECT_EQ(config.registration.certificate, "/var/lib/sanad/registration/certificate.pem");
  EXPECT_EQ(config.registration.on_revoked, StandingAction::suspend);
  EXPECT_EQ(config.evidence.epoch, std::chrono::days{30});
  EXPECT_EQ(config.retention.sessions, std::chrono::days{365});
  EXPECT_EQ(config.limits.connections, 64U);
  EXPECT_EQ(config.limits.body_bytes, 1U << 20);
  EXPECT_TRUE(config.stop.keep_interfaces);
}

TEST(GoodConfig, EveryKeyArrives) {
  FakeFiles files;
  files.secrets = {{"/creds/wg5", FakeFiles::kKey}, {"/k/registration.key", "pem"}};
  files.open_files = {"/etc/sanad/psha.pem", "/etc/sanad/psha.crl"};
  files.credential_directory = "/creds";
  const Config config = must_parse(R"(
gateway: {id: gw, state_dir: /srv/sanad, run_dir: /run/other}
socket: {path: /run/other/a.sock, group: netadmin, mode: 0600}
access:
  roles:
    - {user: ayesha, role: operator}
    - {uid: 1004, role: monitor}
    - {group: auditors, role: auditor}
    - {gid: 0, role: admin}
  dual_control: [erasure, hold_release]
interfaces:
  - name: wg5
    backend: userspace
    private_key_file: credential:wg5
    listen_port: 443
    addresses: [10.1.0.1/16]
    mtu: 1380
    fwmark: 51
    pools: [10.1.2.0/24, 10.1.3.0/24]
    quarantine: 0d
    peers_may_talk: true
    nat: {masquerade: true, sources: [10.1.2.0/24], out_interface: eth0}
    client:
      endpoint: "[2001:db8::1]:4443"
      routes: full
      dns: [10.1.0.1, 2001:db8::53]
      search_domains: [corp.example]
      mtu: 1300
      keepalive_s: 0
      name: "Büro in Lahore"
sessions: {poll_interval: 1s, idle_timeout: 5m, checkpoint: 1h, attempt_interval: 1d, events: off}
registration:
  certificate: /c.pem
  private_key_file: /k/registration.key
  anchors: [{file: /etc/sanad/psha.pem, level: association, name: "P@SHA"}]
  crl_files: [/etc/sanad/psha.crl]
  public_addresses: [203.0.113.10]
  warn_before: [7d, 60d]
  on_expired: suspend
  on_mismatch: warn
  on_revoked: refuse_new
evidence: {epoch: 12h}
retention: {sessions: 90d}
limits: {connections: 8, body_bytes: 64KiB, import_bytes: 1GiB}
log: {level: debug}
stop: {keep_interfaces: false}
)",
                                   files);
  EXPECT_EQ(config.gateway.state_dir, "/srv/sanad");
  EXPECT_EQ(config.socket.path, "/run/other/a.sock");
  EXPECT_EQ(config.socket.group, "netadmin");
  EXPECT_EQ(config.socket.mode, 0600U);
  using Subject = RoleGrant::Subject;
  EXPECT_THAT(
      config.access.roles,
      ElementsAre(RoleGrant{Subject::user, "ayesha", 0, Role::operator_}, RoleGrant{Subject::uid, "1004", 1004, Role::monitor},
                  RoleGrant{Subject::group, "auditors", 0, Role::auditor}, RoleGrant{Subject::gid, "0", 0, Role::admin}));
  EXPECT_THAT(config.access.dual_control, ElementsAre(GuardedAct::erasure, GuardedAct::hold_release));
  ASSERT_EQ(config.interfaces.size(), 1U);
  const Interface& wg5 = config.interfaces[0];
  EXPECT_EQ(wg5.name, "wg5");
  EXPECT_EQ(wg5.backend, Backend::userspace);
  EXPECT_EQ(wg5.private_key.path, "/creds/wg5");
  EXPECT_EQ(wg5.listen_port, 443);
  EXPECT_THAT(wg5.addresses, ElementsAre(*InterfaceAddress::parse("10.1.0.1/16")));
  EXPECT_EQ(wg5.mtu, 1380);
  EXPECT_EQ(wg5.fwmark, 51U);
  EXPECT_THAT(wg5.pools, ElementsAre(prefix("10.1.2.0/24"), prefix("10.1.3.0/24")));
  EXPECT_EQ(wg5.quarantine, std::chrono::days{0});
  EXPECT_TRUE(wg5.peers_may_talk);
  EXPECT_TRUE(wg5.nat.masquerade);
  EXPECT_THAT(wg5.nat.sources, ElementsAre(prefix("10.1.2.0/24")));
  EXPECT_EQ(wg5.nat.out_interface, "eth0");
  EXPECT_EQ(wg5.client.endpoint(), "[2001:db8::1]:4443");
  EXPECT_EQ(wg5.client.routing, Routing::full);
  EXPECT_THAT(wg5.client.routes, ElementsAre(prefix("0.0.0.0/0"), prefix("::/0")));
  EXPECT_EQ(wg5.client.dns.size(), 2U);
  EXPECT_THAT(wg5.client.search_domains, ElementsAre("corp.example"));
  EXPECT_EQ(wg5.client.mtu, 1300);
  EXPECT_EQ(wg5.client.keepalive_s, 0);
  EXPECT_EQ(wg5.client.name, "Büro in Lahore");
  EXPECT_EQ(config.sessions.poll_interval, std::chrono::seconds{1});
  EXPECT_EQ(config.sessions.idle_timeout, std::chrono::minutes{5});
  EXPECT_EQ(config.sessions.checkpoint, std::chrono::hours{1});
  EXPECT_EQ(config.sessions.attempt_interval, std::chrono::hours{24});
  EXPECT_EQ(config.sessions.events, SessionEvents::off);
  EXPECT_EQ(config.registration.certificate, "/c.pem");
  EXPECT_EQ(config.registration.private_key.path, "/k/registration.key");
  ASSERT_EQ(config.registration.anchors.size(), 1U);
  EXPECT_EQ(config.registration.anchors[0], (Anchor{"/etc/sanad/psha.pem", AnchorLevel::association, "P@SHA"}));
  EXPECT_THAT(config.registration.crl_files, ElementsAre("/etc/sanad/psha.crl"));
  EXPECT_THAT(config.registration.public_addresses, ElementsAre(*IpAddress::parse("203.0.113.10")));
  EXPECT_THAT(config.registration.warn_before, ElementsAre(std::chrono::days{60}, std::chrono::days{7}));
  EXPECT_EQ(config.registration.on_expired, StandingAction::suspend);
  EXPECT_EQ(config.registration.on_mismatch, StandingAction::warn);
  EXPECT_EQ(config.registration.on_revoked, StandingAction::refuse_new);
  EXPECT_EQ(config.evidence.epoch, std::chrono::hours{12});
  EXPECT_EQ(config.retention.sessions, std::chrono::days{90});
  EXPECT_EQ(config.limits.connections, 8U);
  EXPECT_EQ(config.limits.body_bytes, 64U << 10);
  EXPECT_EQ(config.limits.import_bytes, 1U << 30);
  EXPECT_EQ(config.log.level, LogLevel::debug);
  EXPECT_FALSE(config.stop.keep_interfaces);
}

TEST(GoodConfig, EndpointSpellings) {
  const std::map<std::string, std::string> spellings{{"vpn.example.com", "vpn.example.com:51820"},
                                                     {"vpn.example.com:443", "vpn.example.com:443"},
                                                     {"192.0.2.1", "192.0.2.1:51820"},
                                                     {"192.0.2.1:1", "192.0.2.1:1"},
                                                     {"[2001:db8::1]", "[2001:db8::1]:51820"},
                                                     {"[2001:db8::1]:65535", "[2001:db8::1]:65535"}};
  for (const auto& [written, meant] : spellings) {
    FakeFiles files;
    const Config config = must_parse(std::string(kSmallest) + "    client: {endpoint: \"" + written + "\"}\n", files);
    ASSERT_EQ(config.interfaces.size(), 1U);
    EXPECT_EQ(config.interfaces[0].client.endpoint(), meant) << written;
  }
}

TEST(GoodConfig, SectionWithNothingInItMeansTheDefaults) {
  FakeFiles files;
  const Config bare = must_parse(kSmallest, files);
  EXPECT_EQ(must_parse(std::string(kSmallest) + "sessions:\nregistration:\n  anchors:\naccess:\n  roles:\n", files), bare);
}

TEST(GoodConfig, TheExampleFileIsRight) {
  FakeFiles files;
  EXPECT_EQ(must_parse(example_yaml(), files), must_parse(kSmallest, files));
}

// Every commented-out key of the example, brought in one at a time, is accepted as it stands there.
TEST(GoodConfig, EveryLineOfTheExampleCanBeTakenIn) {
  const std::string example = example_yaml();
  std::size_t tried = 0;
  for (std::size_t at = example.find('#'); at != std::string::npos; at = example.find('#', at + 1)) {
    const std::size_t line = example.rfind('\n', at) + 1;
    const bool first = example.find_first_not_of(' ', line) == at;
    const bool inside_hidden_list = example.compare(line, at - line, std::string(6, ' ')) == 0 && example[at + 1] != ' ' &&
                                    (example.rfind("\n    #-\n", at) != std::string::npos) &&
                                    example.find("\n\n", example.rfind("\n    #-\n", at)) > at;
    if (!first || example[at + 1] == ' ' || example[at + 1] == '-' || inside_hidden_list) continue;
    if (example.compare(at, 7, "#roles:") == 0 || example.compare(at, 9, "#anchors:") == 0) continue;
    if (example.compare(at, 11, "#witnesses:") == 0) continue;
    std::string taken = example;
    taken.erase(at, 1);
    FakeFiles files;
    files.secrets["/var/lib/sanad/keys/registration.key"] = "pem";
    files.open_files = {"/etc/sanad/association.crl"};
    EXPECT_THAT(parse(taken, "sanad.yaml", files).errors, IsEmpty()) << example.substr(at, 60);
    ++tried;
  }
  EXPECT_EQ(tried, 50U);
}

}  // namespace
}  // namespace sanad::config
