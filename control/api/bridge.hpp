#pragma once
// From "calls you back" to co_await, in one place.

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <utility>

namespace sanad::api {

// Starts `start` with a callback and waits until it is called; calls after the first are ignored. A callback that is
// destroyed uncalled ends the waiting coroutine (its frames are destroyed), so nothing leaks when a service goes away.
template <class T>
boost::asio::awaitable<T> await_callback(std::function<void(std::function<void(T)>)> start) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [start = std::move(start), executor](auto handler) {
    // Shared because std::function copies its target.
    auto waiting = std::make_shared<std::pair<bool, decltype(handler)>>(false, std::move(handler));
    start([waiting, executor](T value) {
      if (std::exchange(waiting->first, true)) return;
      // Posted: a callback may come before `start` returns, and a completion must not run inside its initiation. The handler
      // moves along: whoever still holds the callback no longer holds the coroutine.
      asio::post(executor, [handler = std::move(waiting->second), value = std::move(value)]() mutable {
        std::move(handler)(std::move(value));
      });
    });
  };
  asio::use_awaitable_t<> token;
  auto pending = asio::async_initiate<asio::use_awaitable_t<>, void(T)>(std::move(initiate), token);
  co_return co_await std::move(pending);
}

}  // namespace sanad::api
