#include "config/documents.hpp"

#include <gtest/gtest.h>

#include <set>

#include "config/keys.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::config {
namespace {

std::string on_disk(const char* name) {
  const auto content = read_file(std::filesystem::path(SANAD_CONFIG_DIR) / name, 1 << 20);
  EXPECT_TRUE(content) << name;
  return content ? *content : std::string{};
}

TEST(Documents, AreCurrent) {
  EXPECT_EQ(on_disk("reference.md"), reference_markdown()) << "run: ninja config_documents";
  EXPECT_EQ(on_disk("sanad.yaml"), example_yaml()) << "run: ninja config_documents";
}

TEST(KeyTable, IsWhole) {
  std::set<std::string_view> seen;
  std::set<std::string_view> places;
  for (const Section& section : sections()) {
    EXPECT_TRUE(places.insert(section.path).second) << section.path;
    EXPECT_EQ(section.path.ends_with("[]"), static_cast<bool>(section.append)) << section.path;
    EXPECT_EQ(section.path.ends_with("[]"), static_cast<bool>(section.items)) << section.path;
    EXPECT_TRUE(section.sentence.ends_with('.')) << section.path;
  }
  for (const Key& key : keys()) {
    EXPECT_TRUE(seen.insert(key.path).second) << key.path;
    EXPECT_TRUE(places.contains(parent_of(key.path))) << key.path << " is in no section";
    EXPECT_TRUE(key.read && key.show) << key.path;
    EXPECT_TRUE(key.sentence.ends_with('.')) << key.path;
    EXPECT_FALSE(key.example.empty()) << key.path;
  }
}

}  // namespace
}  // namespace sanad::config
