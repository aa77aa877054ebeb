// make_log DIRECTORY RECORDS [BYTES [MINIMUM]]: a log of that many records of about that size, published in many steps over some
// hours of its own time, as the daemon's publisher does; a witness cosigns the last checkpoint. With MINIMUM, a multiple of 256, the
// record in the middle says that those below it are past retention, and their bundles are deleted. Prints the log's verifier key
// and the witness's.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "control/audit/cosigned.hpp"
#include "control/audit/leaf.hpp"
#include "control/audit/log_reader.hpp"
#include "control/audit/pruned.hpp"
#include "control/audit/publisher.hpp"

namespace sanad::audit {
namespace {

constexpr std::int64_t kBegin = 1'795'510'800'000;
constexpr std::int64_t kStepMs = 25 * 60 * 1000;

// Makes each record when it is asked for and keeps only those the publisher may ask for again.
class Records final : public Outbox {
 public:
  Records(std::uint64_t end, std::size_t bytes, std::uint64_t minimum)
      : end_(end), padding_(bytes > 300 ? bytes - 300 : 0), minimum_(minimum) {}

  std::uint64_t visible = 0;  // records that "have been committed"

  Result<std::string> signed_checkpoint() override { return note_; }
  Result<void> store_signed(const std::string& note, std::uint64_t /*size*/) override {
    note_ = note;
    return {};
  }
  Result<void> drop_below(std::uint64_t index) override {
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(index - first_));
    first_ = index;
    return {};
  }
  Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) override {
    const std::uint64_t to = std::min({end_, visible, from + limit});
    while (first_ + kept_.size() < to) {
      auto leaf = next();
      if (!leaf) return std::move(leaf).error();
      kept_.push_back(*std::move(leaf));
    }
    std::vector<std::string> out;
    for (std::uint64_t i = from; i < to; ++i) out.push_back(kept_[i - first_]);
    return out;
  }

 private:
  Result<std::string> next() {
    const std::uint64_t index = first_ + kept_.size();
    const auto when = WallTime::from_ms(kBegin + static_cast<std::int64_t>(index));
    if (minimum_ > 0 && index == end_ / 2) {
      auto leaf = make_leaf({index, when, 1}, minimum_raised({"judged", {}, {}, {}}, when, {0, minimum_, 365}), random_);
      if (!leaf) return std::move(leaf).error();
      return std::move(leaf->bytes);
    }
    const EventDraft draft{{{"activity_id", 1},
                            {"category_uid", 4},
                            {"class_uid", 4014},
                            {"session", {{"uid", "s-" + std::to_string(index)}}},
                            {"unmapped", {{"sanad", {{"padding", std::string(padding_, 'x')}}}}}},
                           {{"user.name", "Ayesha Khan", "o-1"}}};
    auto leaf = make_leaf({index, when, 1}, draft, random_);
    if (!leaf) return std::move(leaf).error();
    return std::move(leaf->bytes);
  }

  std::uint64_t end_;
  std::size_t padding_;
  std::uint64_t minimum_;
  std::uint64_t first_ = 0;
  std::vector<std::string> kept_;
  std::string note_;
  FillRandom random_ = system_random();
};

// The witness's key, once its cosignature stands on the latest checkpoint.
Result<std::string> cosign(const std::string& directory, WallTime now) {
  auto seed = generate_ed25519();
  if (!seed) return std::move(seed).error();
  const Signer witness{"witness.example/w1", *seed};
  const auto key = verifier_of(witness, KeyType::cosignature_v1);
  const auto note = LogReader(directory).checkpoint();
  if (!key || !note) return key ? note.error() : key.error();
  const std::string text(parse_note(*note).value().text);
  const auto line = cosign_note(text, witness, static_cast<std::uint64_t>(now.ms()) / 1000);
  if (!line) return line.error();
  const auto cosignature = find_cosignature(*line, text, *key);
  if (!cosignature) return cosignature.error();
  if (auto done = CosignedFiles(directory).add(*note, *key, *cosignature, now); !done) return std::move(done).error();
  return to_vkey(*key);
}

Result<std::string> make_log(const std::string& directory, std::uint64_t records, std::size_t bytes, std::uint64_t minimum) {
  auto seed = generate_ed25519();
  if (!seed) return std::move(seed).error();
  const Signer signer{"sanad/judged", *seed};
  auto key = verifier_of(signer);
  if (!key) return std::move(key).error();
  auto store = LogStore::open(directory);
  if (!store) return std::move(store).error();
  const EpochKey epoch{1, *key};
  if (auto done = store->write_keys(log_keys_text({&epoch, 1})); !done) return std::move(done).error();
  Records outbox(records, bytes, minimum);
  Publisher publisher(*std::move(store), outbox, {signer, {*key}});
  std::int64_t now = kBegin;
  // Steps of many sizes, so that partial tiles of many widths come and go.
  for (std::uint64_t step = 1; outbox.visible < records; step = step * 3 % 10'007) {
    outbox.visible = std::min(records, outbox.visible + step);
    for (bool more = true; more;) {
      auto published = publisher.publish(WallTime::from_ms(now += kStepMs));
      if (!published) return std::move(published).error();
      more = published->more;
    }
  }
  if (auto done = delete_bundles(directory, 0, minimum / kTileWidth); !done) return std::move(done).error();
  auto witness = cosign(directory, WallTime::from_ms(now));
  if (!witness) return witness;
  return to_vkey(*key) + "\n" + *witness;
}

}  // namespace
}  // namespace sanad::audit

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::fputs("usage: make_log DIRECTORY RECORDS [BYTES [MINIMUM]]\n", stderr);
    return 2;
  }
  const auto number = [&](int at, std::uint64_t otherwise) {
    return at < argc ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  const auto made = sanad::audit::make_log(argv[1], number(2, 0), number(3, 500), number(4, 0));
  if (!made) {
    std::fprintf(stderr, "make_log: %s\n", made.error().message.c_str());
    return 1;
  }
  std::printf("%s\n", made->c_str());
  return 0;
}
