// make_log DIRECTORY RECORDS [BYTES [MINIMUM [EPOCHS]]]: a log of that many records of about that size, published in many steps
// over some hours of its own time, as the daemon's publisher does, and signed by as many keys one after another; a witness
// cosigns the last checkpoint. With MINIMUM, a multiple of 256, the record in the middle says that those below it are past
// retention, and their bundles are deleted. Prints the first of the log's verifier keys and the witness's.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/cosigned.hpp"
#include "control/audit/leaf.hpp"
#include "control/audit/log_facts.hpp"
#include "control/audit/log_reader.hpp"
#include "control/audit/pruned.hpp"
#include "control/audit/publisher.hpp"

namespace sanad::audit {
namespace {

constexpr std::int64_t kBegin = 1'795'510'800'000;
constexpr std::int64_t kStepMs = 25 * 60 * 1000;
constexpr const char* kOrigin = "sanad/judged";

// Epochs of equal length.
class Keys final : public SigningKeys {
 public:
  static Result<Keys> make(std::uint64_t records, std::uint64_t epochs) {
    Keys keys;
    for (std::uint64_t epoch = 1; epoch <= epochs; ++epoch) {
      auto seed = generate_ed25519();
      if (!seed) return std::move(seed).error();
      const Signer signer{kOrigin, *seed};
      auto verifier = verifier_of(signer);
      if (!verifier) return std::move(verifier).error();
      keys.terms_.push_back({records * (epoch - 1) / epochs, signer, {epoch, *std::move(verifier)}});
    }
    return keys;
  }
  [[nodiscard]] const std::string& origin() const override { return terms_.front().signer.name; }
  [[nodiscard]] std::vector<EpochKey> begun(std::uint64_t size) const override {
    std::vector<EpochKey> keys;
    for (const auto& term : terms_) {
      if (keys.empty() || term.first < size) keys.push_back(term.key);
    }
    return keys;
  }
  Result<SigningTerm> term_after(std::uint64_t size) override {
    const std::size_t at = term_of(size);
    SigningTerm term{terms_[at].signer, std::nullopt};
    if (at + 1 < terms_.size()) term.end = terms_[at + 1].first;
    return term;
  }
  [[nodiscard]] std::uint64_t epoch_of(std::uint64_t index) const { return terms_[term_of(index)].key.epoch; }
  // Of the next epoch, when the record is the last of one.
  [[nodiscard]] std::optional<KeyAnnouncement> announced_by(std::uint64_t index) const {
    const std::size_t next = term_of(index) + 1;
    if (next == terms_.size() || terms_[next].first != index + 1) return std::nullopt;
    return KeyAnnouncement{terms_[next].key.epoch, to_vkey(terms_[next].key.key), index + 1};
  }

 private:
  struct Term {
    std::uint64_t first;
    Signer signer;
    EpochKey key;
  };
  [[nodiscard]] std::size_t term_of(std::uint64_t index) const {
    std::size_t at = 0;
    while (at + 1 < terms_.size() && terms_[at + 1].first <= index) ++at;
    return at;
  }
  std::vector<Term> terms_;
};

// Makes each record when it is asked for and keeps only those the publisher may ask for again.
class Records final : public Outbox {
 public:
  Records(const Keys& keys, std::uint64_t end, std::size_t bytes, std::uint64_t minimum)
      : keys_(keys), end_(end), padding_(bytes > 300 ? bytes - 300 : 0), minimum_(minimum) {}

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
    const WallTime when = WallTime::from_ms(kBegin + static_cast<std::int64_t>(index));
    const auto announced = keys_.announced_by(index);
    const bool raises = minimum_ > 0 && index == end_ / 2;
    const EventDraft draft = announced ? key_announced({}, when, *announced)
                             : raises  ? minimum_raised({"judged", {}, {}, {}}, when, {0, minimum_, 365})
                                       : session(index);
    auto leaf = make_leaf({index, when, keys_.epoch_of(index)}, draft, random_);
    if (!leaf) return std::move(leaf).error();
    return std::move(leaf->bytes);
  }

  [[nodiscard]] EventDraft session(std::uint64_t index) const {
    return EventDraft{{{"activity_id", 1},
                       {"category_uid", 4},
                       {"class_uid", 4014},
                       {"session", {{"uid", "s-" + std::to_string(index)}}},
                       {"unmapped", {{"sanad", {{"padding", std::string(padding_, 'x')}}}}}},
                      {{"user.name", "Ayesha Khan", "o-1"}}};
  }

  const Keys& keys_;
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

Result<std::string> make_log(const std::string& directory, std::uint64_t records, std::size_t bytes, std::uint64_t minimum,
                             std::uint64_t epochs) {
  auto keys = Keys::make(records, epochs);
  if (!keys) return std::move(keys).error();
  auto store = LogStore::open(directory);
  if (!store) return std::move(store).error();
  Records outbox(*keys, records, bytes, minimum);
  Publisher publisher(*std::move(store), outbox, *keys);
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
  return to_vkey(keys->begun(0).front().key) + "\n" + *witness;
}

}  // namespace
}  // namespace sanad::audit

int main(int argc, char** argv) {
  if (argc < 3 || argc > 6) {
    std::fputs("usage: make_log DIRECTORY RECORDS [BYTES [MINIMUM [EPOCHS]]]\n", stderr);
    return 2;
  }
  const auto number = [&](int at, std::uint64_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  const auto made = sanad::audit::make_log(argv[1], number(2, 0), number(3, 500), number(4, 0), number(5, 1));
  if (!made) {
    std::fprintf(stderr, "make_log: %s\n", made.error().message.c_str());
    return 1;
  }
  std::printf("%s\n", made->c_str());
  return 0;
}
