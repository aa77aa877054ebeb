#include "gateway/link/watch.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "gateway/link/codec.hpp"

namespace sanad::link {

Result<std::vector<LinkEvent>> decode_link_events(netlink::View bytes) {
  std::vector<LinkEvent> events;
  while (true) {
    const auto message = netlink::take_message(bytes);
    if (!message) return message.error();
    if (!*message) return events;
    auto link = decode_link(**message);
    if (!link) return link.error();
    if (*link) events.push_back({std::move((*link)->name), (*link)->ifindex, (*link)->up, (*link)->removed, false});
  }
}

Result<LinkWatch> LinkWatch::open() {
  auto socket = netlink::Socket::open(NETLINK_ROUTE, RTMGRP_LINK);
  if (!socket) return std::move(socket.error()).within("couldn't watch the network interfaces");
  return LinkWatch{*std::move(socket)};
}

Result<std::vector<LinkEvent>> LinkWatch::drain() {
  std::vector<LinkEvent> events;
  while (true) {
    bool overrun = false;
    const auto bytes = socket_.receive_now(overrun);
    if (!bytes) return bytes.error();
    if (overrun) {
      LinkEvent lost;
      lost.overrun = true;
      events.push_back(std::move(lost));
      continue;
    }
    if (bytes->empty()) return events;
    auto more = decode_link_events(*bytes);
    if (!more) return more.error();
    events.insert(events.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
  }
}

}  // namespace sanad::link
