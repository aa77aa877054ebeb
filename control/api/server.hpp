#pragma once
// The admin API: routes, permissions, records of refusals and of evidence read, on top of HttpServer. Loop thread only.

#include <boost/asio/io_context.hpp>

#include "control/api/call.hpp"
#include "control/api/http_server.hpp"
#include "control/api/routes.hpp"

namespace sanad::api {

class Server final : private Application {
 public:
  // `io` and what `services` refers to outlive the server, and the server outlives the last handler of `io`:
  // to end, stop() and run `io` until counters().connections is 0 (or give up after a while and exit).
  Server(boost::asio::io_context& io, Listener listener, Limits limits, Services services, access::RoleMap roles);

  void start() { http_.start(); }
  void stop() { http_.stop(); }  // see HttpServer::stop()
  [[nodiscard]] const HttpCounters& counters() const { return http_.counters(); }
  // From the next request on, also on connections that are open.
  void set_roles(access::RoleMap roles) { roles_ = std::move(roles); }

 private:
  struct Found {
    const Route* route;
    std::string id;
    std::string query;
    access::RoleSet roles;
  };

  std::size_t connections_for(const access::Actor& actor) override;
  std::variant<std::size_t, Response> admit(const access::Actor& actor, const RequestHead& head) override;
  void handle(const access::Actor& actor, Request request, Reply reply) override;
  std::variant<Found, Response> authorise(const access::Actor& actor, const RequestHead& head);
  Response refuse(const access::Actor& actor, const access::RoleSet& roles, const std::string& operation,
                  const std::string& target, access::Permission permission);

  HttpServer http_;
  Context context_;
  access::RoleMap roles_;
};

}  // namespace sanad::api
