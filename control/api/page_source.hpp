#pragma once
// A list as a streamed answer: one page of the service a part. The pages are read one after another, so what changes
// meanwhile may or may not be in it; nothing appears twice, because cursors follow the order of the list.

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "control/api/call.hpp"
#include "control/api/message.hpp"

namespace sanad::api {

constexpr std::size_t kPageItems = 500;

template <class Item>
class PageSource final : public BodySource {
 public:
  using Fetch = std::function<void(std::string cursor, service::Done<service::Page<Item>> done)>;
  using ToJson = std::function<boost::json::object(const Item&)>;

  PageSource(std::string name, service::Page<Item> first, Fetch fetch, ToJson to_json)
      : state_(std::make_shared<State>(
            State{std::move(name), std::move(first), std::move(fetch), std::move(to_json), {}, true, false})) {}

  void next(std::function<void(Part)> done) override {
    if (state_->ended) return done(Part(std::nullopt));
    if (state_->begin) return done(Part(part_of(*state_, state_->page)));
    std::weak_ptr<State> weak = state_;
    state_->fetch(state_->cursor, [weak, done = std::move(done)](Result<service::Page<Item>> page) {
      const auto state = weak.lock();
      if (!state) return;
      if (!page) return done(Part(page.error()));
      done(Part(part_of(*state, *page)));
    });
  }

 private:
  struct State {
    std::string name;
    service::Page<Item> page;  // the first one; empty later
    Fetch fetch;
    ToJson to_json;
    std::string cursor;
    bool begin = true;
    bool ended = false;
  };

  static std::optional<std::string> part_of(State& state, const service::Page<Item>& page) {
    std::string out;
    if (state.begin) out = "{\"" + state.name + "\":[";
    for (std::size_t i = 0; i < page.items.size(); ++i) {
      out += i == 0 && state.begin ? "\n" : ",\n";
      out += boost::json::serialize(state.to_json(page.items[i]));
    }
    if (page.next.empty()) out += "\n],\"next\":null}\n";
    state.ended = page.next.empty();
    state.cursor = page.next;
    state.begin = false;
    state.page = {};
    return out;
  }

  std::shared_ptr<State> state_;  // shared with the callback under way, weakly: whoever ends the answer ends the fetching
};

// The answer to a list request: all of it, streamed, when no limit was asked for; else one page and the cursor of the next.
template <class Item>
Response list_response(std::string name, service::Page<Item> first, bool limited, typename PageSource<Item>::Fetch fetch,
                       typename PageSource<Item>::ToJson to_json) {
  Response response;
  if (!limited) {
    response.stream = std::make_unique<PageSource<Item>>(std::move(name), std::move(first), std::move(fetch), std::move(to_json));
    return response;
  }
  boost::json::array items;
  for (const Item& item : first.items) items.emplace_back(to_json(item));
  boost::json::object body;
  body[name] = std::move(items);
  body["next"] = first.next.empty() ? boost::json::value(nullptr) : boost::json::value(first.next);
  return json_response(200, body);
}

}  // namespace sanad::api
