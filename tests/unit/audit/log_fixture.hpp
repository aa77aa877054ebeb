#pragma once
// A log in a temporary directory, and an outbox in memory that can fail.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "control/audit/leaf.hpp"
#include "control/audit/log_facts.hpp"
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

// Time of the first records.
constexpr std::int64_t kBegin = 1'795'510'800'000;

inline Signer test_signer(std::uint8_t fill = 1, const std::string& name = "sanad/gw-1") {
  std::array<std::uint8_t, 32> seed{};
  seed.fill(fill);
  return {name, Secret32(seed)};
}

class TestKeys final : public SigningKeys {
 public:
  explicit TestKeys(Signer first) { begin(0, std::move(first)); }
  void begin(std::uint64_t first, Signer signer) { terms_.push_back({first, std::move(signer)}); }
  [[nodiscard]] std::uint64_t epoch() const { return terms_.size(); }
  [[nodiscard]] const Signer& signer(std::uint64_t epoch) const { return terms_.at(epoch - 1).signer; }
  [[nodiscard]] VerifierKey key(std::uint64_t epoch) const { return verifier_of(signer(epoch)).value(); }

  [[nodiscard]] const std::string& origin() const override { return terms_.front().signer.name; }
  [[nodiscard]] std::vector<EpochKey> begun(std::uint64_t size) const override {
    std::vector<EpochKey> keys;
    for (const auto& term : terms_) {
      if (keys.empty() || term.first < size) keys.push_back({keys.size() + 1, verifier_of(term.signer).value()});
    }
    return keys;
  }
  Result<SigningTerm> term_after(std::uint64_t size) override {
    std::size_t at = 0;
    while (at + 1 < terms_.size() && terms_[at + 1].first <= size) ++at;
    SigningTerm term{terms_[at].signer, std::nullopt};
    if (at + 1 < terms_.size()) term.end = terms_[at + 1].first;
    return term;
  }

 private:
  struct Term {
    std::uint64_t first;
    Signer signer;
  };
  std::vector<Term> terms_;
};

class FakeOutbox final : public Outbox {
 public:
  std::uint64_t first = 0;  // number of the first record
  std::vector<std::string> leaves;
  std::uint64_t dropped = 0;
  std::vector<std::string> notes;  // every checkpoint ever stored
  int calls_until_failure = -1;    // -1: never

  void add(std::size_t count, std::int64_t time_ms = kBegin, std::uint64_t epoch = 1, std::size_t padding = 0) {
    for (std::size_t i = 0; i < count; ++i) {
      add_event({{{"class_uid", 4014}, {"pad", std::string(padding, 'x')}}, {}}, epoch,
                time_ms + static_cast<std::int64_t>(leaves.size()));
    }
  }
  void add_event(const EventDraft& draft, std::uint64_t epoch, std::int64_t at_ms) {
    static const FillRandom random = system_random();
    leaves.push_back(make_leaf({first + leaves.size(), WallTime::from_ms(at_ms), epoch}, draft, random).value().bytes);
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
  TestKeys keys{signer};
  std::optional<Publisher> publisher;

  TestLog() { restart(); }
  void restart() {
    auto store = LogStore::open(directory);
    ASSERT_TRUE(store) << store.error().message;
    publisher.emplace(*std::move(store), outbox, keys);
  }
  // The next record announces the next epoch's key; those after it are of that epoch.
  void rotate(std::int64_t at_ms = kBegin + 1'000'000) {
    const std::uint64_t next = keys.epoch() + 1;
    Signer signing = test_signer(static_cast<std::uint8_t>(next), signer.name);
    const std::uint64_t first = outbox.leaves.size() + 1;
    const KeyAnnouncement announced{next, to_vkey(verifier_of(signing).value()), first};
    outbox.add_event(key_announced({}, WallTime::from_ms(at_ms), announced), next - 1, at_ms);
    keys.begin(first, std::move(signing));
  }
  Result<Published> publish(std::int64_t ms = kBegin) { return publisher->publish(WallTime::from_ms(ms)); }
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
