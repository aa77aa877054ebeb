#pragma once
// The ledger for a thread that waits: never the loop's.

#include <functional>
#include <future>
#include <utility>

#include "control/ledger/ledger.hpp"

namespace sanad::service {

template <class T>
Result<T> change_now(ledger::Ledger& ledger, std::function<Result<T>(ledger::Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.submit<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

template <class T>
Result<T> ask_now(ledger::Ledger& ledger, std::function<Result<T>(ledger::Transaction&)> job) {
  std::promise<Result<T>> answer;
  ledger.query<T>(std::move(job), [&answer](Result<T> result) { answer.set_value(std::move(result)); });
  return answer.get_future().get();
}

}  // namespace sanad::service
