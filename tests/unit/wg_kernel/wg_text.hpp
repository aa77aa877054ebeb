#pragma once
// A device as `wg show IFNAME dump` prints it, without the private key in front: the yardstick for every reading.

#include <cstdio>
#include <string>

#include "gateway/wg/types.hpp"

namespace sanad::wg {

inline std::string wg_text(const Peer& peer) {
  std::string ips;
  for (const IpPrefix& ip : peer.allowed_ips) ips += (ips.empty() ? "" : ",") + ip.to_string();
  return peer.public_key.to_base64() + "\t" + (peer.preshared_key.is_zero() ? "(none)" : secret_to_base64(peer.preshared_key)) +
         "\t" + (peer.endpoint ? peer.endpoint->to_string() : "(none)") + "\t" + (ips.empty() ? "(none)" : ips) + "\t" +
         std::to_string(peer.last_handshake.sec) + "\t" + std::to_string(peer.rx_bytes) + "\t" + std::to_string(peer.tx_bytes) +
         "\t" + (peer.keepalive_s == 0 ? "off" : std::to_string(peer.keepalive_s)) + "\n";
}

inline std::string wg_text(const Device& device) {
  char fwmark[16] = "off";
  if (device.fwmark != 0) std::snprintf(fwmark, sizeof fwmark, "0x%x", device.fwmark);
  std::string text = device.public_key.to_base64() + "\t" + std::to_string(device.listen_port) + "\t" + fwmark + "\n";
  for (const Peer& peer : device.peers) text += wg_text(peer);
  return text;
}

}  // namespace sanad::wg
