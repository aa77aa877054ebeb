#pragma once
// A network and a /run of the test's own, and the programs of a real host in it.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace sanad::test {

// Moves this process into new network and mount namespaces with an empty /run, and brings loopback up. Needs root; throws
// without.
void enter_own_host();

struct Finished {
  int status = -1;  // exit status; -1 when it was killed
  std::string out;
};
Finished run(const std::vector<std::string>& command);

void bring_up(const std::string& interface_name);

// Looks again every few milliseconds. False when it hasn't come true in `limit`.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds{20});

}  // namespace sanad::test
