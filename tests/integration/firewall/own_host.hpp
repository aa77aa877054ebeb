#pragma once

#include <gtest/gtest.h>

#include "tests/integration/userspace/host.hpp"

namespace sanad::test {

// Every test of this program runs in one network of its own.
class OwnHost final : public ::testing::Environment {
 public:
  void SetUp() override { enter_own_host(); }
};

}  // namespace sanad::test
