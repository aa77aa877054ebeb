// Writes what a kernel answers, byte for byte, to a file. Deliberately knows nothing of our codecs: the requests are built
// with libmnl and the numbers of include/uapi/linux/wireguard.h, so that the captures can judge the codecs.
//
//   netlink_capture dump IFNAME FILE BUFFER [--between COMMAND ARG...]   device dump; COMMAND runs after the first read
//   netlink_capture bad-key IFNAME FILE                                  SET with a private key of 31 bytes
//   netlink_capture ack IFNAME FILE                                      SET of a firewall mark
//   netlink_capture addresses FILE                                       RTM_GETADDR dump
//   netlink_capture links IFNAME FILE                                    link notices until IFNAME is removed; prints "ready"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

mnl_socket* open_socket(int protocol, unsigned groups) {
  mnl_socket* socket = mnl_socket_open(protocol);
  if (socket == nullptr || mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) != 0) die("netlink socket");
  int on = 1;
  if (mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on) != 0) die("NETLINK_EXT_ACK");
  return socket;
}

int read_family(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_ID) *static_cast<std::uint16_t*>(data) = mnl_attr_get_u16(attribute);
  return MNL_CB_OK;
}

int read_name(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == IFLA_IFNAME) *static_cast<std::string*>(data) = mnl_attr_get_str(attribute);
  return MNL_CB_OK;
}

struct Request {
  alignas(8) char buffer[4096] = {};
  nlmsghdr* header = mnl_nlmsg_put_header(buffer);

  Request(std::uint16_t type, int flags) {
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<std::uint16_t>(flags);
    header->nlmsg_seq = 1;
  }
  void genl(std::uint8_t command) {
    auto* extra = static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(header, sizeof(genlmsghdr)));
    extra->cmd = command;
    extra->version = 1;
  }
};

void send(mnl_socket* socket, const Request& request) {
  if (mnl_socket_sendto(socket, request.header, request.header->nlmsg_len) < 0) die("send");
}

std::uint16_t wireguard_family(mnl_socket* socket) {
  Request request{GENL_ID_CTRL, NLM_F_REQUEST | NLM_F_ACK};
  request.genl(CTRL_CMD_GETFAMILY);
  mnl_attr_put_strz(request.header, CTRL_ATTR_FAMILY_NAME, "wireguard");
  send(socket, request);
  std::uint16_t family = 0;
  std::vector<char> buffer(4096);  // the kernel fills as much as the largest read so far
  for (bool finished = false; !finished;) {
    const ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (size < 0) die("family");
    int left = static_cast<int>(size);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_ERROR)
        finished = true;
      else
        mnl_attr_parse(message, sizeof(genlmsghdr), read_family, &family);
    }
  }
  if (family == 0) die("no wireguard family");
  return family;
}

void run(char** command) {
  pid_t child = 0;
  int status = 0;
  if (posix_spawnp(&child, command[0], nullptr, nullptr, command, environ) != 0 || waitpid(child, &status, 0) != child ||
      status != 0)
    die(command[0]);
}

// Reads until an error, an acknowledgement, the end of a dump or, with `until_removed`, that interface's RTM_DELLINK.
void record(mnl_socket* socket, const char* path, std::size_t buffer_size, char** between, const char* until_removed) {
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) die(path);
  std::vector<char> buffer(buffer_size);
  int reads = 0;
  for (bool finished = false; !finished;) {
    const ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (size < 0) die("receive");
    if (std::fwrite(buffer.data(), 1, static_cast<std::size_t>(size), file) != static_cast<std::size_t>(size)) die(path);
    if (++reads == 1 && between != nullptr) run(between);
    int left = static_cast<int>(size);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) finished = true;
      if (until_removed != nullptr && message->nlmsg_type == RTM_DELLINK) {
        std::string name;
        mnl_attr_parse(message, sizeof(ifinfomsg), read_name, &name);
        if (name == until_removed) finished = true;
      }
    }
  }
  if (std::fclose(file) != 0) die(path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "dump" && argc >= 5) {
    mnl_socket* socket = open_socket(NETLINK_GENERIC, 0);
    Request request{wireguard_family(socket), NLM_F_REQUEST | NLM_F_DUMP};
    request.genl(WG_CMD_GET_DEVICE);
    mnl_attr_put_strz(request.header, WGDEVICE_A_IFNAME, argv[2]);
    send(socket, request);
    record(socket, argv[3], std::strtoul(argv[4], nullptr, 10), argc > 6 ? argv + 6 : nullptr, nullptr);
  } else if ((mode == "bad-key" || mode == "ack") && argc == 4) {
    mnl_socket* socket = open_socket(NETLINK_GENERIC, 0);
    Request request{wireguard_family(socket), NLM_F_REQUEST | NLM_F_ACK};
    request.genl(WG_CMD_SET_DEVICE);
    mnl_attr_put_strz(request.header, WGDEVICE_A_IFNAME, argv[2]);
    const char short_key[31] = {};
    if (mode == "bad-key")
      mnl_attr_put(request.header, WGDEVICE_A_PRIVATE_KEY, sizeof short_key, short_key);
    else
      mnl_attr_put_u32(request.header, WGDEVICE_A_FWMARK, 0x51);
    send(socket, request);
    record(socket, argv[3], 8192, nullptr, nullptr);
  } else if (mode == "addresses" && argc == 3) {
    mnl_socket* socket = open_socket(NETLINK_ROUTE, 0);
    Request request{RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP};
    mnl_nlmsg_put_extra_header(request.header, sizeof(ifaddrmsg));
    send(socket, request);
    record(socket, argv[2], 8192, nullptr, nullptr);
  } else if (mode == "links" && argc == 4) {
    mnl_socket* socket = open_socket(NETLINK_ROUTE, RTMGRP_LINK);
    std::puts("ready");
    std::fflush(stdout);
    record(socket, argv[3], 8192, nullptr, argv[2]);
  } else {
    std::fputs("usage: see the head of netlink_capture.cpp\n", stderr);
    return 2;
  }
  return 0;
}
