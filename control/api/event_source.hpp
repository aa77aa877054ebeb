#pragma once
// The log as Server-Sent Events, from an index on, without end.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>

#include "control/api/message.hpp"
#include "control/service/queries.hpp"

namespace sanad::api {

// Each part is what is there and not yet sent, at most 100 leaves; with nothing new, a comment after `quiet`. Leaves are read
// when the client has taken the part before: a slow one waits behind, it is never buffered for.
std::unique_ptr<BodySource> make_event_source(boost::asio::io_context& io, service::Queries& queries, std::uint64_t from,
                                              std::chrono::milliseconds quiet = std::chrono::seconds{15});

}  // namespace sanad::api
