#pragma once
// What no single key can tell: defaults that follow from other keys, collisions, and what the host says about the files named.

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

namespace sanad::config {

// Where each key and list item of the file stands, by its path.
using Places = std::map<std::string, Position, std::less<>>;

// Fills what was left out.
void complete(Config& config);

// On a completed Config in which every key by itself is right; adds to `problems`.
void check_whole(const Config& config, const Places& places, std::vector<Problem>& problems);

// Sets SecretSource::path and checks that the files are there, private where they must be, and hold what they should.
void check_files(Config& config, const Places& places, FileAccess& files, std::vector<Problem>& problems);

}  // namespace sanad::config
