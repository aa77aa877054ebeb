#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/fake_files.hpp"

namespace sanad::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> errors_of(std::string_view text, FakeFiles files = {}) {
  ReadOutcome outcome = parse(text, "f", files);
  EXPECT_EQ(outcome.config.has_value(), outcome.errors.empty());
  return outcome.errors;
}

// Lines that go under the first interface, and what has to be said of them.
std::vector<std::string> interface_errors(const std::string& lines, FakeFiles files = {}) {
  return errors_of(std::string(kSmallest) + lines, std::move(files));
}

TEST(BadConfig, AllErrorsAtOnceInFileOrder) {
  EXPECT_THAT(
      errors_of("gateway:\n"
                "  id: \"two words\"\n"
                "  state_dir: relative/path\n"
                "sesions:\n"
                "  poll_interval: 10s\n"
                "interfaces:\n"
                "  - addresses: [10.66.0.1]\n"
                "    listen_port: 70000\n"
                "    mtu: \"1420\"\n"
                "    peers_may_talk: yes\n"
                "sessions: {poll_interval: 61s, idle_timeout: 179s}\n"
                "log: {level: loud}\n"),
      ElementsAre(
          HasSubstr("f:2:7: gateway.id: expected 1 to 64 of letters"),
          HasSubstr("f:3:14: gateway.state_dir: expected an absolute path, found \"relative/path\": a path must be absolute"),
          "f:4:1: sesions: unknown key; did you mean sessions?",
          HasSubstr("f:7:17: interfaces[0].addresses[0]: expected an address with its prefix length"),
          "f:8:18: interfaces[0].listen_port: expected a whole number from 1 to 65535, found \"70000\"",
          HasSubstr("f:9:10: interfaces[0].mtu: expected a whole number"),
          "f:10:21: interfaces[0].peers_may_talk: expected true or false, found \"yes\"",
          "f:11:27: sessions.poll_interval: expected a duration like 10s, 5m, 12h, 30d from 1s to 1m, found \"61s\"",
          HasSubstr("f:11:46: sessions.idle_timeout"),
          "f:12:14: log.level: expected one of debug, info, warn, error, found \"loud\""));
}

TEST(BadConfig, DuplicateKeysAtEveryDepth) {
  EXPECT_THAT(
      errors_of(std::string(kSmallest) + "    mtu: 1400\n    mtu: 1410\nlog: {level: info, level: info}\ngateway: {id: other}\n"),
      ElementsAre("f:6:5: interfaces[0].mtu: duplicate key, already given at line 5",
                  "f:7:20: log.level: duplicate key, already given at line 7",
                  "f:8:1: gateway: duplicate key, already given at line 1"));
}

TEST(BadConfig, WhatIsMissing) {
  EXPECT_THAT(errors_of(""), ElementsAre(HasSubstr("f:1:1: gateway.id: missing: 1 to 64 of"),
                                         "f:1:1: interfaces: missing: at least one interface is needed"));
  EXPECT_THAT(errors_of("gateway: {id: x}\ninterfaces: []\n"),
              ElementsAre("f:2:1: interfaces: missing: at least one interface is needed"));
  EXPECT_THAT(errors_of("gateway: {id: x}\ninterfaces:\n  - name: wg0\n"),
              ElementsAre(HasSubstr("f:3:5: interfaces[0].addresses: missing")));
  EXPECT_THAT(errors_of(std::string(kSmallest) + "registration:\n  anchors:\n    - {}\n"),
              ElementsAre(HasSubstr("registration.anchors[0].file: missing"), HasSubstr("registration.anchors[0].level: missing"),
                          HasSubstr("registration.anchors[0].name: missing")));
  EXPECT_THAT(errors_of(std::string(kSmallest) +
                        "access:\n  roles:\n    - {user: a}\n    - {role: admin}\n    - {user: a, gid: 5, role: admin}\n"),
              ElementsAre(HasSubstr("f:7:7: access.roles[0].role: missing"),
                          HasSubstr("f:9:22: access.roles[2].gid: one of user, uid, group and gid, not two")));
  EXPECT_THAT(errors_of(std::string(kSmallest) + "access:\n  roles:\n    - {role: admin}\n"),
              ElementsAre("f:7:7: access.roles[0]: one of user, uid, group and gid is needed"));
}

TEST(BadConfig, UnknownKeysSayWhatWasMeant) {
  EXPECT_THAT(errors_of(std::string(kSmallest) + "    listenport: 1\n    private_key: /x\nmtu: 1400\nqqqqqqqq: 1\n"),
              ElementsAre("f:5:5: interfaces[0].listenport: unknown key; did you mean listen_port?",
                          "f:6:5: interfaces[0].private_key: unknown key", "f:7:1: mtu: unknown key; there is interfaces[].mtu",
                          "f:8:1: qqqqqqqq: unknown key"));
}

TEST(BadConfig, WrongShapes) {
  EXPECT_THAT(errors_of("[1, 2]"),
              ElementsAre("f:1:1: expected a mapping (key: value)", HasSubstr("gateway.id: missing"), HasSubstr("interfaces")));
  EXPECT_THAT(
      errors_of("gateway: here\ninterfaces: {name: wg0}\n"),
      ElementsAre(HasSubstr("gateway.id: missing"), "f:1:10: gateway: expected a mapping (key: value)",
                  HasSubstr("f:2:1: interfaces: missing"), "f:2:13: interfaces: expected a list (each item begins with \"- \")"));
  EXPECT_THAT(interface_errors("    mtu: [1]\n"),
              ElementsAre(HasSubstr("f:5:10: interfaces[0].mtu: expected a whole number from 576 to 65455, found a list")));
  EXPECT_THAT(interface_errors("    mtu:\n"),
              ElementsAre("f:5:5: interfaces[0].mtu: has no value; leave the key out to get the default"));
  EXPECT_THAT(interface_errors("    pools: 10.66.0.0/24\n"),
              ElementsAre(HasSubstr("f:5:12: interfaces[0].pools: expected a list")));
  EXPECT_THAT(interface_errors("    pools: []\n"), ElementsAre("f:5:12: interfaces[0].pools: at least 1 needed"));
  EXPECT_THAT(interface_errors("    pools: [[10.66.0.0/24]]\n"),
              ElementsAre(HasSubstr("f:5:13: interfaces[0].pools[0]: expected a prefix")));
}

struct Wrong {
  std::string lines;  // under the first interface
  std::string what;
};

TEST(BadConfig, EveryKindOfWrongValue) {
  const std::vector<Wrong> wrongs{
      {"    mtu: 575", "mtu: expected"},
      {"    mtu: 65456", "mtu: expected"},
      {"    mtu: -1", "mtu: expected"},
      {"    mtu: 01420", "mtu: expected"},
      {"    mtu: 1420.0", "mtu: expected"},
      {"    mtu: 0x58c", "mtu: expected"},
      {"    mtu: 99999999999999999999999", "mtu: expected"},
      {"    mtu: 1279", "mtu: 1279 is too small for IPv6"},
      {"    client: {mtu: 1279}", "client.mtu: 1279 is too small for IPv6"},
      {"    listen_port: 0", "listen_port: expected"},
      {"    fwmark: 4294967296", "fwmark: expected"},
      {"    name: \"wg/0\"", "name: expected an interface name"},
      {"    name: wg0123456789abcd", "name: expected an interface name"},
      {"    name: ..", "name: expected an interface name"},
      {"    name: \"\"", "name: expected an interface name"},
      {"    backend: user", "backend: expected one of auto, kernel, userspace"},
      {"    pools: [10.66.0.1/16]", "pools[0]: expected a prefix"},
      {"    pools: [10.66.0.0/33]", "pools[0]: expected a prefix"},
      {"    pools: [10.67.0.0/24]", "pools[0]: pool 10.67.0.0/24 lies in none of the interface's networks"},
      {"    pools: [10.66.1.0/24, 10.66.0.0/17]", "pools[1]: pool 10.66.0.0/17 overlaps 10.66.1.0/24"},
      {"    pools: [10.66.1.4/31]", "pools[0]: pool 10.66.1.4/31 is too small"},
      {"    quarantine: 30", "quarantine: expected a number of days like 30d, from 0d to 3650d, found \"30\""},
      {"    quarantine: 12h", "quarantine: expected"},
      {"    quarantine: 3651d", "quarantine: expected"},
      {"    quarantine: 9223372036854775807d", "quarantine: expected"},
      {"    quarantine: 99999999999999999999d", "quarantine: expected"},
      {"    peers_may_talk: \"true\"", "peers_may_talk: expected true or false"},
      {"    peers_may_talk: True", "peers_may_talk: expected true or false"},
      {"    nat: {out_interface: wg0}", "nat.out_interface: this is the tunnel itself"},
      {"    nat: {sources: [x]}", "nat.sources[0]: expected a prefix"},
      {"    nat: true", "nat: expected a mapping"},
      {"    client: {endpoint: \"vpn.example.com:0\"}", "client.endpoint: expected HOST or HOST:PORT"},
      {"    client: {endpoint: \"vpn.example.com:65536\"}", "the port must be 1 to 65535"},
      {"    client: {endpoint: \"vpn.example.com:\"}", "the port must be 1 to 65535"},
      {"    client: {endpoint: \"vpn.example.com:051\"}", "the port must be 1 to 65535"},
      {"    client: {endpoint: \"2001:db8::1\"}", "an IPv6 address needs brackets"},
      {"    client: {endpoint: \"[2001:db8::1\"}", "no closing bracket"},
      {"    client: {endpoint: \"[192.0.2.1]:1\"}", "not an IPv6 address inside the brackets"},
      {"    client: {endpoint: \"[2001:db8::1]x1\"}", "the port must be 1 to 65535"},
      {"    client: {endpoint: \"300.0.0.1\"}", "not an IPv4 address"},
      {"    client: {endpoint: \"a b\"}", "not a DNS name or an address"},
      {"    client: {endpoint: \"-a.example\"}", "not a DNS name or an address"},
      {"    client: {endpoint: \"a..example\"}", "not a DNS name or an address"},
      {"    client: {endpoint: \":51820\"}", "not a DNS name or an address"},
      {"    client: {endpoint: [a]}", "not a single value"},
      {"    client: {routes: everything}", "client.routes: expected \"full\", or a list of prefixes"},
      {"    client: {routes: []}", "client.routes: at least 1 needed"},
      {"    client: {dns: [resolver]}", "client.dns[0]: expected an address"},
      {"    client: {search_domains: [\"a b\"]}", "client.search_domains[0]: expected a DNS name"},
      {"    client: {name: \"a\\nb\"}",
       "client.name: expected text of 1 to 64 bytes without control characters, found text with control"},
      {"    client: {name: \"" + std::string(65, 'a') + "\"}", "client.name: expected text"},
      {"    client: {keepalive_s: 65536}", "client.keepalive_s: expected"},
      {"    private_key_file: wg0.key",
       "private_key_file: expected an absolute path, or credential:NAME: a path must be absolute"},
      {"    private_key_file: /etc/../shadow", "\"..\" in a path"},
      {"    private_key_file: /", "the root directory itself"},
      {"    private_key_file: \"credential:\"", "not a credential's name"},
      {"    private_key_file: \"credential:../x\"", "not a credential's name"},
      {"sessions: {poll_interval: 0s}", "sessions.poll_interval: expected"},
      {"sessions: {poll_interval: 10}", "sessions.poll_interval: expected"},
      {"sessions: {poll_interval: 10 s}", "sessions.poll_interval: expected"},
      {"sessions: {poll_interval: 1500ms}", "sessions.poll_interval: expected"},
      {"sessions: {poll_interval: 2m}", "sessions.poll_interval: expected"},
      {"sessions: {idle_timeout: 2d}", "sessions.idle_timeout: expected"},
      {"sessions: {poll_interval: 60s, checkpoint: 30s}", "sessions.checkpoint: shorter than sessions.poll_interval"},
      {"registration: {warn_before: [7d, 30d, 7d]}", "registration.warn_before: the same number of days twice"},
      {"registration: {on_expired: ignore}", "registration.on_expired: expected one of warn, refuse_new, suspend"},
      {"registration: {public_addresses: [0.0.0.0/0]}", "registration.public_addresses[0]: expected an address"},
      {"limits: {body_bytes: 1MB}", "limits.body_bytes: expected a size from 4KiB to 64MiB, found \"1MB\""},
      {"limits: {connections: 3}", "limits.connections: expected"},
      {"socket: {mode: 0666}", "socket.mode: expected an octal file mode, 0600 or 0660, found \"0666\""},
      {"socket: {mode: 432}", "socket.mode: expected an octal file mode"},
      {"socket: {group: \"a:b\"}", "socket.group: expected a user or group name"},
      {"socket: {path: /" + std::string(107, 'a') + "}", "longer than 107 bytes"},
      {"access: {dual_control: [all]}", "access.dual_control[0]: expected one of erasure, retention, hold_release"},
      {"access: {roles: [{user: a, role: root}]}", "access.roles[0].role: expected one of monitor, auditor, operator, admin"},
      {"access: {roles: [{uid: -1, role: admin}]}", "access.roles[0].uid: expected"},
      {"access: {roles: [{user: a, role: admin}, {user: a, role: monitor}]}", "access.roles[1]: a has a role already, at line 5"},
  };
  for (const Wrong& wrong : wrongs) {
    EXPECT_THAT(interface_errors(wrong.lines + "\n"), ElementsAre(HasSubstr(wrong.what))) << wrong.lines;
  }
}

TEST(BadConfig, AddressesNoHostCanHave) {
  const auto with = [](const std::string& addresses) {
    return errors_of("gateway: {id: x}\ninterfaces: [{addresses: [" + addresses + "]}]\n");
  };
  EXPECT_THAT(with("0.0.0.0/8"), testing::Contains(HasSubstr("cannot be a host's address")));
  EXPECT_THAT(with("224.0.0.1/24"), ElementsAre(HasSubstr("cannot be a host's address")));
  EXPECT_THAT(with("127.0.0.1/8"), ElementsAre(HasSubstr("cannot be a host's address")));
  EXPECT_THAT(with("\"ff02::1/64\""), ElementsAre(HasSubstr("cannot be a host's address")));
  EXPECT_THAT(with("\"::1/64\""), ElementsAre(HasSubstr("cannot be a host's address")));
  EXPECT_THAT(with("10.66.0.0/16"), ElementsAre(HasSubstr("is the network or broadcast address of 10.66.0.0/16")));
  EXPECT_THAT(with("10.66.255.255/16"), ElementsAre(HasSubstr("is the network or broadcast address of 10.66.0.0/16")));
  EXPECT_THAT(with("10.66.0.1/16, 10.66.0.1/16"), ElementsAre(HasSubstr("10.66.0.1 is given twice")));
  EXPECT_THAT(with("10.66.0.1/32"), ElementsAre(HasSubstr("pool 10.66.0.1/32 is too small to give a peer an address")));
}

TEST(BadConfig, InterfacesThatCollide) {
  FakeFiles files;
  files.secrets["/var/lib/sanad/keys/wg1.key"] = FakeFiles::kKey;
  EXPECT_THAT(errors_of("gateway: {id: x}\n"
                        "interfaces:\n"
                        "  - addresses: [10.66.0.1/16]\n"
                        "  - addresses: [10.66.9.1/24]\n"
                        "    name: wg0\n",
                        files),
              ElementsAre("f:4:5: interfaces[1].listen_port: UDP port 51820 is taken by interface wg0",
                          "f:4:5: interfaces[1].private_key_file: the same key as interface wg0: each needs its own",
                          "f:4:17: interfaces[1].addresses[0]: 10.66.9.0/24 overlaps 10.66.0.0/16 of interface wg0",
                          "f:5:5: interfaces[1].name: wg0 is taken by the interface at line 3"));
  EXPECT_THAT(errors_of("gateway: {id: x}\n"
                        "interfaces:\n"
                        "  - addresses: [10.66.0.1/16]\n"
                        "  - {addresses: [10.67.0.1/16], name: wg1, listen_port: 51821}\n",
                        files),
              IsEmpty());
}

TEST(BadConfig, KeyFiles) {
  EXPECT_THAT(errors_of(kSmallest,
                        [] {
                          FakeFiles files;
                          files.secrets.clear();
                          return files;
                        }()),
              ElementsAre(HasSubstr(
                  "f:4:5: interfaces[0].private_key_file: couldn't open /var/lib/sanad/keys/wg0.key: No such file or directory "
                  "(sanad init makes one")));
  FakeFiles files;
  files.world_readable = {"/var/lib/sanad/keys/wg0.key"};
  EXPECT_THAT(errors_of(kSmallest, files), ElementsAre(HasSubstr("can be read by others (chmod 600 it)")));
  files = {};
  files.secrets["/var/lib/sanad/keys/wg0.key"] = "not a key";
  const auto garbage = errors_of(kSmallest, files);
  EXPECT_THAT(garbage, ElementsAre(HasSubstr("interfaces[0].private_key_file: /var/lib/sanad/keys/wg0.key: ")));
  EXPECT_THAT(garbage[0], testing::Not(HasSubstr("not a key\"")));
  files.secrets["/var/lib/sanad/keys/wg0.key"] = std::string(43, 'A') + "=";
  EXPECT_THAT(errors_of(kSmallest, files), ElementsAre(HasSubstr("it is the zero key")));
  // What should be a path may be the key itself; it must not be echoed.
  const std::string pasted = std::string(FakeFiles::kKey).substr(0, 44);
  for (const std::string& error : interface_errors("    private_key_file: \"" + pasted + "\"\n"))
    EXPECT_THAT(error, testing::Not(HasSubstr(pasted)));
}

TEST(BadConfig, Credentials) {
  EXPECT_THAT(
      interface_errors("    private_key_file: credential:wg0\n"),
      ElementsAre(HasSubstr(
          "f:5:5: interfaces[0].private_key_file: no credentials were passed to this process: add LoadCredential=wg0:FILE")));
  FakeFiles files;
  files.credential_directory = "/creds";
  EXPECT_THAT(interface_errors("    private_key_file: credential:wg0\n", files),
              ElementsAre(HasSubstr("couldn't open /creds/wg0")));
}

TEST(BadConfig, FilesOfTheRegistration) {
  EXPECT_THAT(errors_of(std::string(kSmallest) + "registration:\n"
                                                 "  private_key_file: /nowhere.key\n"
                                                 "  crl_files: [/nowhere.crl]\n"
                                                 "  anchors: [{file: /nowhere.pem, level: self, name: us}]\n"),
              ElementsAre(HasSubstr("f:6:3: registration.private_key_file: couldn't open /nowhere.key"),
                          HasSubstr("f:7:15: registration.crl_files[0]: couldn't open /nowhere.crl"),
                          HasSubstr("f:8:14: registration.anchors[0].file: couldn't open /nowhere.pem")));
}

TEST(BadConfig, WhereListsComeFrom) {
  const std::string head = std::string(kSmallest) + "registration:\n";
  EXPECT_THAT(errors_of(head + "  crl_urls: [\"ftp://a/crl\", \"http://u:p@a/crl\"]\n"),
              ElementsAre(HasSubstr("registration.crl_urls[0]: not a URL of http or https"),
                          HasSubstr("registration.crl_urls[1]: no spaces and no password belong into it")));
  EXPECT_THAT(errors_of(head + "  crl_interval: 1s\n"), ElementsAre(HasSubstr("registration.crl_interval")));
}

TEST(BadConfig, NotYaml) {
  EXPECT_THAT(errors_of("gateway: {id: x\n"), ElementsAre(HasSubstr("not valid YAML: ")));
  EXPECT_THAT(errors_of("gateway:\n\tid: x\n"), ElementsAre(HasSubstr("f:2:")));
  EXPECT_THAT(errors_of("a: \"unfinished\n"),
              ElementsAre(HasSubstr("not valid YAML: something is not closed before the end of the file")));
  EXPECT_THAT(errors_of("a: 'unfinished"),
              ElementsAre(HasSubstr("not valid YAML: something is not closed before the end of the file")));
  EXPECT_THAT(errors_of("a: b: c\n"), ElementsAre(HasSubstr("f:1:5: not valid YAML: ")));
  EXPECT_THAT(errors_of("\"\\x1b[31mred\": 1\n"), ElementsAre("f:1:1: a key must be a word of at most 64 bytes"));
  EXPECT_THAT(errors_of(std::string(65, 'k') + ": 1\n"), ElementsAre("f:1:1: a key must be a word of at most 64 bytes"));
  EXPECT_THAT(errors_of("? [a]\n: b\n"), ElementsAre(HasSubstr("a key must be a word")));
  EXPECT_THAT(errors_of(std::string(kSmallest) + "---\na: b\n"), ElementsAre(HasSubstr("a second document")));
}

TEST(BadConfig, BytesThatAreNoText) {
  EXPECT_THAT(errors_of(std::string_view("gateway:\n  id: a\0b\n", 20)),
              ElementsAre("f:2:8: a NUL byte: this is not a text file"));
  EXPECT_THAT(errors_of("gateway:\n  id: \xff\n"), ElementsAre(HasSubstr("f:2:1: not UTF-8 text")));
  EXPECT_THAT(errors_of("gateway:\n  id: \x1b[31m\n"), ElementsAre(HasSubstr("f:2:1: not UTF-8 text, or a control character")));
  EXPECT_THAT(errors_of(std::string_view("\xff\xfeg\0", 4)), ElementsAre(HasSubstr("f:1:")));
}

TEST(BadConfig, ClosedToBombs) {
  EXPECT_THAT(errors_of("a: &x [1]\nb: *x\n"), ElementsAre(HasSubstr("f:1:4: anchors (&name) are not accepted")));
  EXPECT_THAT(errors_of("<<: *x\n"), ElementsAre(HasSubstr("f:1:")));
  EXPECT_THAT(errors_of("gateway: !!map {id: x}\n"), ElementsAre(HasSubstr("tags (!name) are not accepted")));
  EXPECT_THAT(errors_of("a: " + std::string(40, '[') + std::string(40, ']')),
              ElementsAre(HasSubstr("nested deeper than 32 levels")));
  EXPECT_THAT(errors_of(std::string(100'000, '[')), ElementsAre(HasSubstr("f:1:")));
  EXPECT_THAT(errors_of(std::string(100'000, '{')), ElementsAre(HasSubstr("f:1:")));
  EXPECT_THAT(errors_of(std::string(kMaxFileBytes + 1, '#')), ElementsAre(HasSubstr("f: larger than 1048576 bytes")));
  std::string many = "access:\n  dual_control: [";
  for (int i = 0; i < 100'001; ++i) many += "a,";
  EXPECT_THAT(errors_of(many + "a]\n"), ElementsAre(HasSubstr("more than 100000 values")));
  std::string keys;
  for (int i = 0; i < 1'001; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  EXPECT_THAT(errors_of(keys), ElementsAre(HasSubstr("more than 1000 keys in one mapping")));
}

TEST(BadConfig, AHundredErrorsAreEnough) {
  std::string text(kSmallest);
  for (int i = 0; i < 150; ++i) text += "zz" + std::to_string(i) + ": 1\n";
  const auto errors = errors_of(text);
  ASSERT_EQ(errors.size(), kMaxErrors + 1);
  EXPECT_EQ(errors.back(), "f: and 50 more");
}

TEST(BadConfig, AFileThatIsNotThere) {
  const ReadOutcome outcome = read("/nonexistent/sanad.yaml");
  EXPECT_FALSE(outcome.config);
  EXPECT_THAT(outcome.errors, ElementsAre(HasSubstr("/nonexistent/sanad.yaml: ")));
  const Result<Config> loaded = load("/nonexistent/sanad.yaml");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace sanad::config
