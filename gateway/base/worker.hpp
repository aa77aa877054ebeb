#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace sanad {

// One thread that takes blocking calls off the loop, in order. Jobs carry values in; results go back by posting to the loop.
// The queue's mutex is the only lock. Destruction runs what is queued, then joins.
class Worker {
 public:
  using Job = std::function<void()>;
  explicit Worker(std::string thread_name);  // at most 15 characters are kept (pthread_setname_np)
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Any thread. Jobs must not throw.
  void post(Job job);
  // Any thread. Jobs not yet started.
  [[nodiscard]] std::size_t waiting() const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace sanad
