#pragma once
// What people read about the configuration, made from the table of keys so that it cannot fall behind. Pure.

#include <string>

namespace sanad::config {

// config/reference.md: every key with type, limits, default and what it is for.
std::string reference_markdown();

// config/sanad.yaml: every key, all but the two that are needed commented out with an example.
std::string example_yaml();

}  // namespace sanad::config
