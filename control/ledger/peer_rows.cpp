#include "control/ledger/peer_rows.hpp"

#include "control/ledger/text_lists.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::ledger {

const std::string kSelectPeer =
    "SELECT p.seq, p.id, p.interface, o.id, o.handle, o.name, o.email, p.device, p.public_key, p.preshared_key, p.allowed_ips, "
    "p.keepalive_s, p.enabled, p.not_before, p.expires_at, p.peer_groups, p.note, p.created, p.updated, p.version, p.revoked, "
    "p.on_device, e.began, e.leaf_index FROM peers p JOIN owners o ON o.id = p.owner_id LEFT JOIN erasures e ON e.owner_id = "
    "o.id ";

PeerRecord read_peer(const Query& row) {
  PeerRecord peer;
  peer.id = row.text(1);
  peer.interface = row.text(2);
  peer.owner = {row.text(3), row.text(4), row.text(5), row.text(6)};
  if (!row.null(22)) peer.owner.erased = ErasedAt{row.time(22), row.counter(23)};
  peer.device = row.text(7);
  peer.public_key = wg::PublicKey(as_bytes(row.bytes(8, 32)).first<32>());
  if (!row.null(9)) {
    std::string key = row.bytes(9, 32);
    peer.preshared_key = wg::PresharedKey(as_bytes(key).first<32>());
    wipe({reinterpret_cast<std::uint8_t*>(key.data()), key.size()});
  }
  peer.allowed_ips = split_prefixes(row.text(10));
  peer.keepalive_s = static_cast<std::uint16_t>(row.integer(11));
  peer.enabled = row.integer(12) != 0;
  peer.not_before = row.optional_time(13);
  peer.expires_at = row.optional_time(14);
  peer.groups = split_texts(row.text(15));
  peer.note = row.text(16);
  peer.created = row.time(17);
  peer.updated = row.time(18);
  peer.version = row.counter(19);
  peer.revoked = row.optional_time(20);
  peer.on_device = row.integer(21) != 0;
  return peer;
}

}  // namespace sanad::ledger
