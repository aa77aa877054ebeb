// The keys under evidence: witnesses and what is asked of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/compare.hpp"
#include "tests/unit/config/fake_files.hpp"

namespace sanad::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kFirst = "audit.example.net+11cf445d+BJ5dYg0/gs2F7ZfkH0XJJfI4a457i7quu/8IYOouOxVl";
const std::string kSecond = "second.example/w1+6fa71011+BNkpihDRsHNYN9xL2F2sZBsPPO8npH5dU6VPLz9bL8/6";
const std::string kSecondRenamed = "third.example+2d92a02f+BNkpihDRsHNYN9xL2F2sZBsPPO8npH5dU6VPLz9bL8/6";
const std::string kLog = "second.example/w1+e4761988+AdkpihDRsHNYN9xL2F2sZBsPPO8npH5dU6VPLz9bL8/6";

ReadOutcome read(const std::string& evidence) {
  FakeFiles files;
  return parse(std::string(kSmallest) + "evidence:\n" + evidence, "f", files);
}

std::string item(const std::string& key, const std::string& url = "http://a", const std::string& more = {}) {
  return "    - {key: '" + key + "', url: '" + url + "'" + more + "}\n";
}

TEST(EvidenceConfig, WitnessesAreReadWithTheirDefaults) {
  const auto outcome = read("  witnesses:\n" + item(kFirst, "https://audit.example.net/", ", name: audit") + item(kSecond));
  ASSERT_THAT(outcome.errors, IsEmpty());
  const Evidence& evidence = outcome.config->evidence;
  EXPECT_THAT(evidence.witnesses, ElementsAre(Witness{"audit", kFirst, "https://audit.example.net/"},
                                              Witness{"second.example/w1", kSecond, "http://a"}));
  EXPECT_EQ(evidence.quorum, std::nullopt);
  EXPECT_EQ(evidence.push_interval, std::chrono::seconds{10});
  EXPECT_EQ(evidence.alarm_after, std::chrono::minutes{5});
  EXPECT_EQ(read("  quorum: 1\n  witnesses:\n" + item(kFirst) + item(kSecond)).config->evidence.quorum, 1U);
}

TEST(EvidenceConfig, ErrorsNameThePlace) {
  std::string mistyped = kFirst;
  mistyped.back() = 'm';
  EXPECT_THAT(
      read("  push_interval: 0s\n  alarm_after: 5\n  witnesses:\n" + item("nonsense") + item(mistyped) + item(kLog) +
           item(kFirst, "ftp://a") + item(kFirst, "http://a?b") + "    - {name: two words}\n")
          .errors,
      ElementsAre(HasSubstr("f:6:18: evidence.push_interval: expected a duration"),
                  HasSubstr("f:7:16: evidence.alarm_after: expected a duration"),
                  HasSubstr("f:9:13: evidence.witnesses[0].key: expected the line that"),
                  HasSubstr("f:10:13: evidence.witnesses[1].key: expected the line that"),
                  HasSubstr("evidence.witnesses[2].key: expected the line that"),
                  HasSubstr("evidence.witnesses[3].url: expected a URL like https://witness.example, found \"ftp://a\""),
                  HasSubstr("evidence.witnesses[4].url: expected a URL"), HasSubstr("f:14:7: evidence.witnesses[5].key: missing"),
                  HasSubstr("evidence.witnesses[5].url: missing"), HasSubstr("evidence.witnesses[5].name: expected 1 to 64")));
  EXPECT_THAT(read("  witnesses:\n" + item(mistyped)).errors,
              ElementsAre(HasSubstr("its id is not that of its key: it was changed or mistyped")));
}

TEST(EvidenceConfig, CollisionsAreFound) {
  EXPECT_THAT(
      read("  quorum: 3\n  alarm_after: 10s\n  push_interval: 1m\n  witnesses:\n" + item(kSecond, "http://a", ", name: w") +
           item(kFirst, "http://a", ", name: w") + item(kSecondRenamed, "http://a", ", name: none"))
          .errors,
      ElementsAre("f:7:3: evidence.alarm_after: shorter than evidence.push_interval: it would never be quiet",
                  HasSubstr("evidence.witnesses[1].name: w is taken by the witness at line 10"),
                  HasSubstr("evidence.witnesses[2].key: the same key as the witness at line 10"),
                  HasSubstr("evidence.witnesses[2].name: \"none\" means no witness in a policy")));
  EXPECT_THAT(read("  quorum: 2\n  witnesses:\n" + item(kFirst)).errors, ElementsAre("f:6:3: evidence.quorum: 2 of 1 witnesses"));
}

TEST(EvidenceConfig, ARunningDaemonTakesNewWitnesses) {
  const auto before = read("  witnesses:\n" + item(kFirst)).config.value();
  const auto after = read("  witnesses:\n" + item(kFirst, "http://b") + item(kSecond)).config.value();
  EXPECT_FALSE(difference(before, after).empty());
  EXPECT_THAT(needing_restart(before, after), IsEmpty());
}

}  // namespace
}  // namespace sanad::config
