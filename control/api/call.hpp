#pragma once
// One authorised request on its way to a use case, and the bridge from the use case's answer to HTTP's.

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <exception>
#include <string>
#include <utility>

#include "control/api/message.hpp"
#include "control/api/problem.hpp"
#include "control/api/target.hpp"
#include "control/service/custody.hpp"
#include "control/service/peers.hpp"
#include "control/service/queries.hpp"
#include "gateway/base/log.hpp"

namespace boost::asio {
class io_context;
}

namespace sanad::api {

struct HttpCounters;

// The use cases. The references outlive the server.
struct Services {
  service::Peers& peers;
  service::Queries& queries;
  service::Registrations& registrations;
  service::Operations& operations;
  service::Custody& custody;
};

struct Context {
  Services services;
  boost::asio::io_context& io;
  const HttpCounters& http;
};

struct Call {
  Request request;
  service::Caller caller;
  std::string id;  // the {id} of the path, [a-z0-9-]{1,64}
  Query query;

  [[nodiscard]] bool may(access::Permission permission) const { return access::decide(caller.roles, permission).allowed; }
};

Response json_response(unsigned status, const boost::json::object& body);

// Wraps `make` (T -> Response) as the callback of a use case: an error becomes its problem, an exception (a bug) a 500 and a
// line in the log. `make` is copied.
template <class T, class Make>
service::Done<T> answer(Reply reply, Make make) {
  return [reply = std::move(reply), make = std::move(make)](Result<T> result) {
    if (!result) return reply(problem(result.error()));
    Response response;
    try {
      response = make(std::move(*result));
    } catch (const std::exception& bug) {
      log::error("couldn't write an answer: {}", bug.what());
      response = problem(Error{Errc::internal, "the answer could not be written; the reason is in the daemon's log"});
    }
    reply(std::move(response));
  };
}

}  // namespace sanad::api
