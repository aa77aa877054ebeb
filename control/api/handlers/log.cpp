#include <charconv>

#include "control/api/event_source.hpp"
#include "control/api/handlers/handlers.hpp"
#include "control/api/json_out.hpp"
#include "control/api/page_source.hpp"

namespace sanad::api {
namespace {

// Leaves are JSON: an integer beyond this has no exact form for everybody (RFC 7493).
constexpr std::uint64_t kMaxIndex = (std::uint64_t{1} << 53U) - 1;

// A leaf that cannot be shown is one the ledger damaged; the list says so and ends there.
Result<service::Page<boost::json::object>> entries_page(const std::vector<service::LeafView>& leaves, std::size_t limit,
                                                        Personal personal) {
  service::Page<boost::json::object> page;
  for (const service::LeafView& leaf : leaves) {
    auto entry = leaf_json(leaf, personal);
    if (!entry) return entry.error();
    page.items.push_back(std::move(*entry));
  }
  if (leaves.size() == limit) page.next = std::to_string(leaves.back().index + 1);
  return page;
}

}  // namespace

void list_log_entries(const Context& context, Call call, Reply reply) {
  const std::uint64_t from = call.query.integer("from", 0, kMaxIndex).value_or(0);
  const auto limit = call.query.integer("limit", 1, 1000);
  if (auto finished = call.query.finish(); !finished) return reply(problem(finished.error()));

  const Personal personal{call.may(access::Permission::personal_data)};
  service::Queries& queries = context.services.queries;
  const std::size_t count = limit.value_or(kPageItems);
  auto fetch = [&queries, count, personal](const std::string& cursor, service::Done<service::Page<boost::json::object>> done) {
    std::uint64_t index = 0;
    std::from_chars(cursor.data(), cursor.data() + cursor.size(), index);  // ours, from entries_page
    queries.leaves(index, count, [count, personal, done = std::move(done)](Result<std::vector<service::LeafView>> leaves) {
      if (!leaves) return done(leaves.error());
      done(entries_page(*leaves, count, personal));
    });
  };
  auto to_json = [](const boost::json::object& entry) { return entry; };
  fetch(std::to_string(from),
        answer<service::Page<boost::json::object>>(
            std::move(reply), [limited = limit.has_value(), fetch, to_json](service::Page<boost::json::object> first) {
              return list_response<boost::json::object>("entries", std::move(first), limited, fetch, to_json);
            }));
}

void follow_events(const Context& context, Call call, Reply reply) {
  auto from = call.query.integer("from", 0, kMaxIndex);
  // What the client has seen counts more than where its address says it began: this is how browsers and libraries resume.
  if (const std::string_view last = call.request.head.field("last-event-id"); !last.empty()) {
    std::uint64_t index = 0;
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), index);
    if (error != std::errc{} || end != last.data() + last.size() || index > kMaxIndex) {
      return reply(problem(Error{Errc::invalid_argument, "is not an index of the log", "Last-Event-ID"}));
    }
    from = index + 1;
  }
  if (auto finished = call.query.finish(); !finished) return reply(problem(finished.error()));

  auto begin = [&context](std::uint64_t first) {
    Response response;
    response.content_type = "text/event-stream";
    response.stream = make_event_source(context.io, context.services.queries, first);
    return response;
  };
  if (from) return reply(begin(*from));
  context.services.queries.status(
      answer<service::Status>(std::move(reply), [begin](const service::Status& status) { return begin(status.records); }));
}

}  // namespace sanad::api
