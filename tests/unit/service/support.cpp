#include "tests/unit/service/support.hpp"

#include <stdlib.h>

#include <algorithm>

namespace sanad::service::testing {

TempDirectory::TempDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sanad-service-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("couldn't make a temporary directory");
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

wg::PublicKey key_number(std::uint8_t n) {
  std::array<std::uint8_t, 32> bytes{};
  bytes.fill(n);
  bytes[0] = n;
  return wg::PublicKey(bytes);
}

IpPrefix prefix(std::string_view text) { return IpPrefix::parse(text).value(); }

bool run_until(boost::asio::io_context& loop, const std::function<bool()>& condition, std::chrono::seconds limit) {
  const BootTime end = now().boot + limit;
  while (!condition()) {
    if (now().boot > end) return false;
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds{20});
  }
  return true;
}

std::vector<std::string> leaves(ledger::Ledger& ledger) {
  std::vector<std::string> out;
  const auto asked = ask<void>(ledger, [&out](ledger::Transaction& txn) -> Result<void> {
    for (auto& leaf : txn.leaves(0, 1000, false)) out.push_back(std::move(leaf.bytes));
    return {};
  });
  if (!asked) throw std::runtime_error(asked.error().message);
  return out;
}

std::size_t count_containing(const std::vector<std::string>& leaves, std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      leaves.begin(), leaves.end(), [text](const std::string& leaf) { return leaf.find(text) != std::string::npos; }));
}

}  // namespace sanad::service::testing
