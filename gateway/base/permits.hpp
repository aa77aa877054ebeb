#pragma once
// How many values may be on their way from one thread to another: whoever makes them waits while too many have not been dealt
// with.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace sanad {

// Any thread. A permit goes with the value and is given back when it is destroyed, wherever that is, also unused.
class Permits {
  struct State {
    std::mutex mutex;
    std::condition_variable given_back;
    std::size_t free;  // guarded by mutex
  };

 public:
  class Permit {
   public:
    Permit() = default;  // none
    explicit Permit(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Permit(Permit&&) noexcept = default;
    Permit& operator=(Permit&& other) noexcept {
      std::swap(state_, other.state_);
      return *this;
    }
    ~Permit() {
      if (!state_) return;
      {
        const std::lock_guard lock(state_->mutex);
        ++state_->free;
      }
      state_->given_back.notify_one();
    }
    explicit operator bool() const { return state_ != nullptr; }

   private:
    std::shared_ptr<State> state_;  // outlives Permits when the value does
  };

  explicit Permits(std::size_t count) : state_(std::make_shared<State>()) { state_->free = count; }

  // None when nothing was given back for so long.
  Permit wait(std::chrono::milliseconds longest) const {
    std::unique_lock lock(state_->mutex);
    if (!state_->given_back.wait_for(lock, longest, [this] { return state_->free > 0; })) return Permit{};
    --state_->free;
    return Permit{state_};
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sanad
