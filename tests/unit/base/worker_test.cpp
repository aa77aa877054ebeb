#include "gateway/base/worker.hpp"

#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <vector>

namespace sanad {
namespace {

TEST(Worker, RunsInOrderOnOneOtherThread) {
  std::vector<int> order;  // written by the worker alone, read after it was joined
  std::optional<std::thread::id> thread;
  {
    Worker worker("test");
    for (int i = 0; i < 1000; ++i)
      worker.post([&order, &thread, i] {
        order.push_back(i);
        if (!thread) thread = std::this_thread::get_id();
        EXPECT_EQ(*thread, std::this_thread::get_id());
      });
  }
  ASSERT_EQ(order.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  EXPECT_NE(*thread, std::this_thread::get_id());
}

TEST(Worker, DestructionRunsWhatIsQueued) {
  std::promise<void> gate;
  int ran = 0;
  std::optional<Worker> worker(std::in_place, "test");
  worker->post([opened = gate.get_future().share()] { opened.wait(); });
  for (int i = 0; i < 10; ++i) worker->post([&ran] { ++ran; });
  EXPECT_EQ(ran, 0);
  std::thread opener([&gate] { gate.set_value(); });
  worker.reset();
  opener.join();
  EXPECT_EQ(ran, 10);
}

TEST(Worker, AJobMayPostAnother) {
  int ran = 0;
  {
    Worker worker("a name that is longer than fifteen characters");
    worker.post([&worker, &ran] { worker.post([&ran] { ++ran; }); });
  }
  EXPECT_EQ(ran, 1);
}

TEST(Worker, CountsWhatWaits) {
  std::promise<void> gate;
  std::promise<void> began;
  Worker worker("test");
  worker.post([&began, opened = gate.get_future().share()] {
    began.set_value();
    opened.wait();
  });
  began.get_future().wait();
  EXPECT_EQ(worker.waiting(), 0U);
  worker.post([] {});
  worker.post([] {});
  EXPECT_EQ(worker.waiting(), 2U);
  gate.set_value();
}

TEST(Worker, ManyThreadsMayPost) {
  int ran = 0;
  {
    Worker worker("test");
    std::vector<std::thread> posters;
    for (int t = 0; t < 4; ++t)
      posters.emplace_back([&worker, &ran] {
        for (int i = 0; i < 500; ++i) worker.post([&ran] { ++ran; });
      });
    for (auto& poster : posters) poster.join();
  }
  EXPECT_EQ(ran, 2000);
}

}  // namespace
}  // namespace sanad
