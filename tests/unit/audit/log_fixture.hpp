#pragma once
// A log in a temporary directory, and an outbox in memory that can fail.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "control/audit/leaf.hpp"
#include "control/audit/log_reader.hpp"
#include "control/audit/publisher.hpp"
#include "control/audit/verifier.hpp"

namespace sanad::audit {

class TemporaryDirectory final {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "sanad-audit-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Signer test_signer(std::uint8_t fill = 1, const std::string& name = "sanad/gw-1") {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(fill);
  return {name, Secret32(seed)};
}

class FakeOutbox final : public Outbox {
 public:
  std::vector<std::string> leaves;
  std::uint64_t dropped = 0;
  std::vector<std::string> notes;  // every checkpoint ever stored
  int calls_until_failure = -1;    // -1: never

  void add(std::size_t count, std::int64_t time_ms = 1'795'510'800'000, std::uint64_t epoch = 1, std::size_t padding = 0) {
    static const FillRandom random = system_random();
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t index = leaves.size();
      const EventDraft draft{{{"class_uid", 4014}, {"pad", std::string(padding, 'x')}}, {}};
      leaves.push_back(
          make_leaf({index, WallTime::from_ms(time_ms + static_cast<std::int64_t>(index)), epoch}, draft, random).value().bytes);
    }
  }

  Result<std::string> signed_checkpoint() override {
    if (fails()) return Error{Errc::unavailable, "the outbox fails"};
    return notes.empty() ? std::string() : notes.back();
  }
  Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) override {
    if (fails()) return Error{Errc::unavailable, "the outbox fails"};
    EXPECT_GE(from, dropped) << "leaves that were dropped are asked for";
    std::vector<std::string> out;
    for (std::uint64_t i = from; i < leaves.size() && out.size() < limit; ++i) out.push_back(leaves[i]);
    return out;
  }
  Result<void> store_signed(const std::string& note, std::uint64_t size) override {
    if (fails()) return Error{Errc::unavailable, "the outbox fails"};
    const auto checkpoint = parse_checkpoint(parse_note(note).value().text).value();
    EXPECT_EQ(checkpoint.size, size);
    if (!notes.empty()) {
      EXPECT_LT(parse_checkpoint(parse_note(notes.back()).value().text)->size, size) << "a tree that did not grow was signed";
    }
    notes.push_back(note);
    return {};
  }
  Result<void> drop_below(std::uint64_t index) override {
    if (fails()) return Error{Errc::unavailable, "the outbox fails"};
    EXPECT_GE(index, dropped);
    dropped = index;
    return {};
  }

 private:
  bool fails() { return calls_until_failure >= 0 && calls_until_failure-- == 0; }
};

struct TestLog {
  TemporaryDirectory root;
  std::filesystem::path directory = root.path() / "log";
  FakeOutbox outbox;
  Signer signer = test_signer();
  std::optional<Publisher> publisher;

  TestLog() { restart(); }
  void restart() {
    auto store = LogStore::open(directory);
    ASSERT_TRUE(store) << store.error().message;
    const EpochKey key{1, verifier_of(signer).value()};
    ASSERT_TRUE(store->write_keys(log_keys_text({&key, 1})));
    publisher.emplace(*std::move(store), outbox, PublisherKeys{signer, {key.key}});
  }
  Result<Published> publish(std::int64_t ms = 1'795'510'800'000) { return publisher->publish(WallTime::from_ms(ms)); }
  void publish_all() {
    for (;;) {
      const auto published = publish();
      ASSERT_TRUE(published) << published.error().message;
      if (!published->more) return;
    }
  }
  [[nodiscard]] LogReader reader() const { return LogReader(directory); }
  [[nodiscard]] Result<VerifiedLog> verify(unsigned threads = 2) const {
    VerifyOptions options;
    options.keys = {verifier_of(signer).value()};
    options.threads = threads;
    return verify_log(reader(), options);
  }
  void check(std::uint64_t size) const {
    const auto verified = verify();
    ASSERT_TRUE(verified) << verified.error().message;
    ASSERT_EQ(verified->checkpoint.size, size);
  }
};

}  // namespace sanad::audit
