#include "config/suggest.hpp"

#include <gtest/gtest.h>

namespace sanad::config {
namespace {

const std::vector<std::string_view> kNames{"name", "mtu", "listen_port", "addresses", "pools"};

TEST(Suggest, OneSlip) {
  EXPECT_EQ(nearest("nmae", kNames), "name");
  EXPECT_EQ(nearest("adresses", kNames), "addresses");
  EXPECT_EQ(nearest("listen-port", kNames), "listen_port");
  EXPECT_EQ(nearest("poolss", kNames), "pools");
  EXPECT_EQ(nearest("mt", kNames), "mtu");
}

TEST(Suggest, NothingNear) {
  EXPECT_EQ(nearest("x", kNames), std::nullopt);
  EXPECT_EQ(nearest("", kNames), std::nullopt);
  EXPECT_EQ(nearest("gateway", kNames), std::nullopt);
  EXPECT_EQ(nearest(std::string(65, 'n'), kNames), std::nullopt);
  EXPECT_EQ(nearest("name", {}), std::nullopt);
}

}  // namespace
}  // namespace sanad::config
