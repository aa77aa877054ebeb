#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <functional>
#include <future>

#include "control/ledger/ledger.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::service::testing {

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

wg::PublicKey key_number(std::uint8_t n);
IpPrefix prefix(std::string_view text);

// Runs the loop on this thread until the condition holds; false when it does not within `limit`.
bool run_until(boost::asio::io_context& loop, const std::function<bool()>& condition,
               std::chrono::seconds limit = std::chrono::seconds{15});

// A question to the ledger, answered here.
template <class T>
Result<T> ask(ledger::Ledger& ledger, std::function<Result<T>(ledger::Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.query<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}
template <class T>
Result<T> change(ledger::Ledger& ledger, std::function<Result<T>(ledger::Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.submit<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

// All leaves, one text each.
std::vector<std::string> leaves(ledger::Ledger& ledger);
std::size_t count_containing(const std::vector<std::string>& leaves, std::string_view text);

}  // namespace sanad::service::testing
