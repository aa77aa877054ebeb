// Every kind of damage to every file of a log with several epochs is found: bytes flipped, dropped, swapped, repeated, cut off;
// records changed, swapped, repeated, dropped; all of it signed anew by whoever has the wrong key. Which bytes, chance says; the
// seed is printed, and taken again from SANAD_SEED. SANAD_DAMAGES (default 4) is how many places of a file are tried for each
// kind.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>

#include "gateway/base/durable_file.hpp"
#include "tests/unit/audit/log_fixture.hpp"

namespace sanad::audit {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRecords = 3'000;
constexpr std::int64_t kHourMs = 3'600'000;

std::string contents(const fs::path& path) { return read_file(path, 1U << 26U).value(); }
void overwrite(const fs::path& path, const std::string& text) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << text;
}

int places() {
  const char* const wanted = std::getenv("SANAD_DAMAGES");
  return wanted == nullptr ? 4 : std::max(1, std::atoi(wanted));
}

// 3,000 records in four epochs over four hours, so that the archive has hourly checkpoints beside the epochs' last ones.
void make_log(TestLog& log) {
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    const std::int64_t at = kBegin + static_cast<std::int64_t>(epoch) * kHourMs;
    const std::size_t to = kRecords * epoch / 4;
    log.outbox.add(to - log.outbox.leaves.size() - 1, at, epoch);
    if (epoch < 4) {
      log.rotate(at + kHourMs / 2);
    } else {
      log.outbox.add(1, at, epoch);
    }
    for (bool more = true; more;) {
      const auto published = log.publish(at);
      ASSERT_TRUE(published) << published.error().message;
      more = published->more;
    }
  }
  ASSERT_NO_FATAL_FAILURE(log.check(kRecords));
  ASSERT_EQ(log.verify()->epochs.size(), 4U);
  ASSERT_EQ(log.verify()->archived, 3U);
}

// The files that the latest checkpoint needs: not the partial tiles of earlier sizes.
std::vector<fs::path> needed_files(const TestLog& log) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(log.directory)) {
    if (!entry.is_regular_file()) continue;
    const auto partial = entry.path().parent_path().extension() == ".p";
    const auto of_size = partial_tiles(kRecords);
    const auto name = entry.path().lexically_relative(log.directory).string();
    const bool latest = std::any_of(of_size.begin(), of_size.end(), [&](const TileId& id) { return tile_path(id) == name; }) ||
                        tile_path({{}, full_tiles(0, kRecords), partial_width(0, kRecords)}) == name;
    if (!partial || latest) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Damage : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const again = std::getenv("SANAD_SEED");
    seed_ = again == nullptr ? std::random_device{}() : static_cast<unsigned>(std::strtoul(again, nullptr, 10));
    std::cout << "seed " << seed_ << ", " << places() << " places a file\n";
    random_.seed(seed_);
    ASSERT_NO_FATAL_FAILURE(make_log(log_));
  }
  std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_); }

  TestLog log_;
  std::random_device::result_type seed_ = 0;
  std::mt19937_64 random_;
};

TEST_F(Damage, OfBytesIsFoundInEveryFile) {
  const auto files = needed_files(log_);
  std::size_t damages = 0;
  for (const auto& file : files) {
    const std::string good = contents(file);
    const std::string name = file.lexically_relative(log_.directory).string();
    const auto found = [&](const std::string& how, const std::string& bytes) {
      if (bytes == good) return;
      overwrite(file, bytes);
      const auto verdict = log_.verify(1);
      EXPECT_FALSE(verdict) << name << ": " << how << "; seed " << seed_;
      ++damages;
    };
    for (int i = 0; i < places(); ++i) {
      // The two ends are where parsers err.
      const std::size_t at = i == 0 ? 0 : i == 1 ? good.size() - 1 : below(good.size());
      const std::string where = " at byte " + std::to_string(at);
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << below(8)));
      found("flipped" + where, bytes);
      bytes = good;
      found("dropped" + where, bytes.erase(at, 1));
      bytes = good;
      found("repeated" + where, bytes.insert(at, 1, good[at]));
      bytes = good;
      std::swap(bytes[at], bytes[below(good.size())]);
      found("swapped" + where, bytes);
      found("cut off" + where, good.substr(0, at));
    }
    found("twice", good + good);
    fs::remove(file);
    // A checkpoint of the hour that is not there proves nothing; those between epochs must be.
    EXPECT_FALSE(log_.verify(1)) << name << ": missing";
    overwrite(file, good);
  }
  ASSERT_NO_FATAL_FAILURE(log_.check(kRecords));
  // checkpoint, keys, three in the archive, twelve bundles, twelve tiles and the two above them.
  EXPECT_EQ(files.size(), 30U);
  EXPECT_GT(damages, files.size() * static_cast<std::size_t>(places()) * 4);
}

// The same records, changed, in a log of their own that is consistent and signed with all the right keys, and then with only
// those that whoever changes history today can have: the last one.
TEST_F(Damage, OfRecordsIsFoundThoughTilesAndSignatureAreMadeAnew) {
  const auto forged = [&](const std::string& how, const std::function<void(std::vector<std::string>&)>& change) {
    TestLog forger;
    forger.keys = log_.keys;
    forger.outbox.leaves = log_.outbox.leaves;
    change(forger.outbox.leaves);
    ASSERT_NO_FATAL_FAILURE(forger.publish_all());
    for (const auto& entry : fs::directory_iterator(log_.directory / kArchiveDirectory)) {
      fs::copy_file(entry.path(), forger.directory / kArchiveDirectory / entry.path().filename(),
                    fs::copy_options::overwrite_existing);
    }
    EXPECT_FALSE(forger.verify()) << how << "; seed " << seed_;
  };
  const std::size_t signed_by_old_keys = kRecords * 3 / 4 - 4;
  for (int i = 0; i < places(); ++i) {
    const std::size_t at = below(signed_by_old_keys);
    const std::size_t other = below(signed_by_old_keys);
    const std::string where = "record " + std::to_string(at);
    if (at != other)
      forged(where + " swapped with " + std::to_string(other), [&](auto& leaves) { std::swap(leaves[at], leaves[other]); });
    forged(where + " dropped", [&](auto& leaves) { leaves.erase(leaves.begin() + static_cast<std::ptrdiff_t>(at)); });
    forged(where + " repeated",
           [&](auto& leaves) { leaves.insert(leaves.begin() + static_cast<std::ptrdiff_t>(at), leaves[at]); });
    forged(where + " changed", [&](auto& leaves) {
      auto& leaf = leaves[at];
      const auto pad = leaf.find("\"salt\":\"") + 8;
      leaf[pad] = leaf[pad] == 'A' ? 'B' : 'A';
    });
  }
}

TEST_F(Damage, ToTheCheckpointsSignatureIsFound) {
  const auto file = log_.directory / kCheckpointFile;
  const std::string good = contents(file);
  const auto tree = parse_checkpoint(parse_note(good)->text).value();
  for (int i = 0; i < places(); ++i) {
    Checkpoint other = tree;
    other.size = 1 + below(kRecords - 1);
    overwrite(file, sign_checkpoint(other, log_.keys.signer(4)).value());
    EXPECT_FALSE(log_.verify(1)) << "another size; seed " << seed_;
    other = tree;
    other.root[below(other.root.size())] ^= 1;
    overwrite(file, sign_checkpoint(other, log_.keys.signer(4)).value());
    EXPECT_FALSE(log_.verify(1)) << "another root; seed " << seed_;
  }
  for (const std::uint64_t epoch : {1U, 2U, 3U}) {
    overwrite(file, sign_checkpoint(tree, log_.keys.signer(epoch)).value());
    EXPECT_FALSE(log_.verify(1)) << "signed by the key of epoch " << epoch;
  }
  overwrite(file, std::string(parse_note(good)->text));
  EXPECT_FALSE(log_.verify(1)) << "not signed";
  overwrite(file, good);
  ASSERT_NO_FATAL_FAILURE(log_.check(kRecords));
}

}  // namespace
}  // namespace sanad::audit
