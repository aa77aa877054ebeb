#include "config/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/fake_files.hpp"

namespace sanad::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Config from(std::string_view text) {
  FakeFiles files;
  files.secrets["/var/lib/sanad/keys/wg1.key"] = FakeFiles::kKey;
  files.secrets["/var/lib/sanad/keys/wg9.key"] = FakeFiles::kKey;
  files.secrets["/etc/other.key"] = FakeFiles::kKey;
  files.secrets["/srv/keys/wg0.key"] = FakeFiles::kKey;
  files.open_files = {"/a.pem"};
  ReadOutcome outcome = parse(text, "f", files);
  EXPECT_THAT(outcome.errors, IsEmpty());
  return outcome.config.value_or(Config{});
}

Config with(const std::string& lines) { return from(std::string(kSmallest) + lines); }

TEST(Compare, EqualMeaningIsNoDifference) {
  const Config plain = from(kSmallest);
  const Config spelled = with("    name: wg0\n    pools: [10.66.0.0/16, fd66::/64]\nsessions: {idle_timeout: 3m}\n# remark\n");
  EXPECT_THAT(difference(plain, spelled), IsEmpty());
  EXPECT_EQ(digest(plain), digest(spelled));
  EXPECT_EQ(digest(plain).size(), 64U);
}

TEST(Compare, NamesWhatChanged) {
  const Config before = from(kSmallest);
  const Config after = with(
      "    mtu: 1400\n    client: {dns: [10.66.0.1]}\nsessions: {poll_interval: 5s}\naccess: {roles: [{uid: 5, role: admin}]}\n");
  EXPECT_THAT(difference(before, after),
              ElementsAre("access.roles[0]", "interfaces[wg0].client.dns", "interfaces[wg0].mtu", "sessions.poll_interval"));
  EXPECT_THAT(difference(after, before), difference(before, after));
  EXPECT_THAT(needing_restart(before, after), IsEmpty());
  EXPECT_NE(digest(before), digest(after));
}

TEST(Compare, NamesWhatNeedsARestart) {
  const Config before = from(kSmallest);
  EXPECT_THAT(needing_restart(before, with("    backend: kernel\nsocket: {mode: 0600}\nlog: {level: warn}\n")),
              ElementsAre("interfaces[wg0].backend", "socket.mode"));
  const Config moved =
      from("gateway: {id: example-khi-1, state_dir: /srv}\ninterfaces: [{addresses: [10.66.0.1/16, 'fd66::1/64']}]\n");
  EXPECT_THAT(needing_restart(before, moved), ElementsAre("gateway.state_dir"));
}

TEST(Compare, InterfacesThatComeAndGo) {
  const Config before = from(kSmallest);
  const Config two = with("  - {name: wg1, listen_port: 1, addresses: [10.67.0.1/16]}\n");
  EXPECT_THAT(difference(before, two), ElementsAre("interfaces[wg1]"));
  EXPECT_THAT(needing_restart(before, two), ElementsAre("interfaces[wg1]"));
  EXPECT_THAT(difference(before, with("    name: wg9\n")), ElementsAre("interfaces[wg0]", "interfaces[wg9]"));
}

TEST(Compare, WhereASecretLiesCounts) {
  EXPECT_THAT(difference(from(kSmallest), with("    private_key_file: /etc/other.key\n")),
              ElementsAre("interfaces[wg0].private_key_file"));
}

TEST(Compare, EveryKeyThatCanDifferDoes) {
  const std::vector<std::pair<std::string, std::string>> lines{
      {"    listen_port: 1\n", "interfaces[wg0].listen_port"},
      {"    fwmark: 1\n", "interfaces[wg0].fwmark"},
      {"    quarantine: 1d\n", "interfaces[wg0].quarantine"},
      {"    peers_may_talk: true\n", "interfaces[wg0].peers_may_talk"},
      {"    nat: {masquerade: true}\n", "interfaces[wg0].nat.masquerade"},
      {"    nat: {sources: [10.66.0.0/24]}\n", "interfaces[wg0].nat.sources"},
      {"    nat: {out_interface: eth0}\n", "interfaces[wg0].nat.out_interface"},
      {"    client: {endpoint: a.example}\n", "interfaces[wg0].client.endpoint"},
      {"    client: {routes: full}\n", "interfaces[wg0].client.routes"},
      {"    client: {search_domains: [a]}\n", "interfaces[wg0].client.search_domains"},
      {"    client: {mtu: 1300}\n", "interfaces[wg0].client.mtu"},
      {"    client: {keepalive_s: 1}\n", "interfaces[wg0].client.keepalive_s"},
      {"    client: {name: other}\n", "interfaces[wg0].client.name"},
      {"socket: {path: /s}\n", "socket.path"},
      {"socket: {group: g}\n", "socket.group"},
      {"access: {dual_control: [erasure]}\n", "access.dual_control"},
      {"sessions: {idle_timeout: 4m}\n", "sessions.idle_timeout"},
      {"sessions: {checkpoint: 10s}\n", "sessions.checkpoint"},
      {"sessions: {attempt_interval: 1s}\n", "sessions.attempt_interval"},
      {"sessions: {events: off}\n", "sessions.events"},
      {"registration: {certificate: /c}\n", "registration.certificate"},
      {"registration: {public_addresses: [192.0.2.1]}\n", "registration.public_addresses"},
      {"registration: {warn_before: []}\n", "registration.warn_before"},
      {"registration: {on_expired: warn}\n", "registration.on_expired"},
      {"registration: {on_mismatch: warn}\n", "registration.on_mismatch"},
      {"registration: {on_revoked: warn}\n", "registration.on_revoked"},
      {"registration: {crl_files: [/a.pem]}\n", "registration.crl_files"},
      {"registration: {crl_urls: [\"http://a/crl\"]}\n", "registration.crl_urls"},
      {"registration: {crl_interval: 5m}\n", "registration.crl_interval"},
      {"registration: {anchors: [{file: /a.pem, level: self, name: x}]}\n", "registration.anchors[0]"},
      {"evidence: {epoch: 1d}\n", "evidence.epoch"},
      {"retention: {sessions: 1d}\n", "retention.sessions"},
      {"limits: {connections: 5}\n", "limits.connections"},
      {"limits: {body_bytes: 4096}\n", "limits.body_bytes"},
      {"limits: {import_bytes: 4096}\n", "limits.import_bytes"},
      {"stop: {keep_interfaces: false}\n", "stop.keep_interfaces"},
  };
  const Config before = from(kSmallest);
  for (const auto& [line, key] : lines) EXPECT_THAT(difference(before, with(line)), ElementsAre(key)) << line;
}

}  // namespace
}  // namespace sanad::config
