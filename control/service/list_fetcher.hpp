#pragma once
// Revocation lists over HTTP, on a thread of its own: a server that is slow, large or gone delays nobody.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace sanad::service {

struct FetchedList {
  std::string url;
  std::string text;     // empty when there was a problem
  std::string problem;  // plain words; empty: it was fetched
};

class ListFetcher final {
 public:
  // `deliver` is called on the fetcher's thread, once for each fetch() that was not dropped.
  explicit ListFetcher(std::function<void(FetchedList)> deliver);
  // Breaks off what is under way.
  ~ListFetcher();
  ListFetcher(const ListFetcher&) = delete;
  ListFetcher& operator=(const ListFetcher&) = delete;

  // Any thread; returns at once. A URL that waits already is not queued again.
  void fetch(const std::string& url);

 private:
  void run();
  FetchedList get(const std::string& url);
  bool stopping();

  std::function<void(FetchedList)> deliver_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;  // guarded by mutex_
  bool stopping_ = false;            // guarded by mutex_
  std::thread thread_;               // last: it uses the rest
};

}  // namespace sanad::service
