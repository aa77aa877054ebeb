#include "gateway/hints/offsets.hpp"

#include <bpf/btf.h>
#include <linux/netlink.h>

#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/wg/kernel/netlink/socket.hpp"

namespace sanad::hints {
namespace {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, FreeBtf>;

// In bytes; members that lie in a bit field or are not there: nothing.
std::optional<std::uint32_t> offset_of(const btf* types, std::string_view structure,
                                       std::initializer_list<std::string_view> path) {
  std::uint32_t bits = 0;
  std::int32_t id = btf__find_by_name_kind(types, std::string(structure).c_str(), BTF_KIND_STRUCT);
  for (const auto name : path) {
    const btf_type* type = id > 0 ? btf__type_by_id(types, static_cast<std::uint32_t>(id)) : nullptr;
    if (type == nullptr || !btf_is_struct(type)) return std::nullopt;
    const btf_member* const members = btf_members(type);
    id = 0;
    for (std::uint16_t i = 0; i < btf_vlen(type); ++i) {
      if (name != btf__name_by_offset(types, members[i].name_off)) continue;
      bits += btf_member_bit_offset(type, i);
      id = static_cast<std::int32_t>(members[i].type);
      break;
    }
    if (id == 0) return std::nullopt;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

// The kernel loads the module for whoever asks for its netlink family.
void ask_for_wireguard() {
  auto socket = netlink::Socket::open(NETLINK_GENERIC);
  if (socket) (void)netlink::resolve_family(*socket, "wireguard");
}

}  // namespace

Result<SanadWgOffsets> find_offsets() {
  if (!std::filesystem::exists("/sys/kernel/btf/vmlinux"))
    return Error{Errc::unsupported, "this kernel shows no type information (it was built without CONFIG_DEBUG_INFO_BTF)"};
  ask_for_wireguard();
  if (!std::filesystem::exists("/sys/module/wireguard")) return Error{Errc::unsupported, "the kernel has not loaded WireGuard"};
  if (!std::filesystem::exists("/sys/kernel/btf/wireguard"))
    return Error{Errc::unsupported,
                 "this kernel shows no type information of its wireguard module (it was built without "
                 "CONFIG_DEBUG_INFO_BTF_MODULES, or WireGuard is not a module)"};
  const Btf kernel(btf__load_vmlinux_btf());
  const Btf module(kernel ? btf__load_module_btf("wireguard", kernel.get()) : nullptr);
  if (!module) return Error{Errc::unsupported, "the kernel's type information of its wireguard module cannot be read"};
  const auto peer_device = offset_of(module.get(), "wg_peer", {"device"});
  const auto peer_remote_static = offset_of(module.get(), "wg_peer", {"handshake", "remote_static"});
  const auto device_dev = offset_of(module.get(), "wg_device", {"dev"});
  if (!peer_device || !peer_remote_static || !device_dev)
    return Error{Errc::unsupported, "this kernel's wireguard module is laid out in a way that this program does not know"};
  return SanadWgOffsets{*peer_device, *peer_remote_static, *device_dev};
}

}  // namespace sanad::hints
