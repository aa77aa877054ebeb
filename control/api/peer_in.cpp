#include "control/api/peer_in.hpp"

#include "control/api/json_in.hpp"

namespace sanad::api {

namespace json = boost::json;

namespace {

constexpr TextLimits kName{1, 256};
constexpr TextLimits kEmail{0, 254};  // RFC 5321 section 4.5.3.1.3: a path of 256 octets, less the angle brackets
constexpr TextLimits kHandle{0, 64};
constexpr TextLimits kDevice{1, 64};
constexpr TextLimits kGroup{1, 64};
constexpr TextLimits kNote{0, 1024};
constexpr TextLimits kKey{1, 64};
constexpr TextLimits kId{1, 64};
constexpr TextLimits kInterface{1, 15};  // IFNAMSIZ less the final NUL
constexpr TextLimits kPrefix{1, 64};
constexpr std::size_t kMaxAllowedIps = 256;
constexpr std::size_t kMaxGroups = 64;
constexpr std::uint64_t kMaxKeepalive = 65'535;  // 16 bit in the kernel's interface

std::optional<std::string> read_public_key(ObjectReader& in) {
  auto text = in.text("public_key", kKey);
  if (!text) return std::nullopt;
  const auto key = wg::PublicKey::from_base64(*text);
  if (key && !key->is_zero()) return text;
  in.fail("public_key", key ? "is the all-zero key, which nobody can own" : key.error().message,
          "wg pubkey prints it: 44 characters, the last one \"=\"");
  return std::nullopt;
}

void read_preshared_key(ObjectReader& in, service::NewPeer& peer) {
  const auto text = in.text("preshared_key", kKey);
  if (!text || *text == "generate") return;
  if (*text == "none") {
    peer.preshared = service::PresharedChoice::none;
    return;
  }
  const auto key = wg::secret_from_base64(*text);
  if (!key || key->is_zero()) {
    // The value stays out of the message: it may be a key with a slip in it.
    return in.fail("preshared_key", "is not \"generate\", \"none\" or a key in base64", "wg genpsk makes one");
  }
  peer.preshared = service::PresharedChoice::given;
  peer.preshared_key = *key;
}

std::optional<std::vector<IpPrefix>> read_allowed_ips(ObjectReader& in) {
  const auto list = in.texts("allowed_ips", kMaxAllowedIps, kPrefix);
  if (!list) return std::nullopt;
  std::vector<IpPrefix> out;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto prefix = IpPrefix::parse((*list)[i]);
    if (!prefix) {
      in.fail("allowed_ips[" + std::to_string(i) + "]", prefix.error().message, prefix.error().hint);
      return std::nullopt;
    }
    out.push_back(*prefix);
  }
  if (out.empty()) in.fail("allowed_ips", "must not be empty", "Leave the field out to get addresses from the pools");
  return out;
}

std::optional<std::uint16_t> read_keepalive(ObjectReader& in) {
  const auto seconds = in.integer_or_null("keepalive_s", 0, kMaxKeepalive);
  if (!seconds) return std::nullopt;
  return static_cast<std::uint16_t>(*seconds);
}

void read_owner(ObjectReader& in, service::NewPeer& peer) {
  in.require("owner");
  const json::object* object = in.object("owner");
  if (object == nullptr) return;
  ObjectReader owner(*object, "owner");
  if (owner.has("id")) {
    peer.owner_id = owner.text("id", kId).value_or("");
    for (const auto* other : {"name", "email", "handle"}) {
      if (owner.has(other))
        owner.fail(other, "an existing owner is named by id alone", "Change an owner with PATCH /v1/peers/{id}");
    }
  } else {
    owner.require("name");
    peer.owner_name = owner.text("name", kName).value_or("");
    peer.owner_email = owner.text_or_null("email", kEmail).value_or("");
    peer.owner_handle = owner.text_or_null("handle", kHandle).value_or("");
  }
  if (auto finished = owner.finish(); !finished) in.fail(finished.error());
}

}  // namespace

Result<PeerCreation> parse_peer_creation(const json::object& object) {
  PeerCreation out;
  service::NewPeer& peer = out.peer;
  ObjectReader in(object);
  read_owner(in, peer);
  if (auto device = in.text("device", kDevice)) peer.device = std::move(*device);
  peer.public_key = read_public_key(in);
  const bool make_key = in.boolean("make_key").value_or(false);
  if (make_key && in.has("public_key"))
    in.fail("make_key", "contradicts public_key: either the client has a key or one is made here");
  if (!make_key && !in.has("public_key")) {
    in.fail("public_key", "is required",
            "Send the client's public key, or \"make_key\": true to have a key pair made here and shown once");
  }
  read_preshared_key(in, peer);
  peer.allowed_ips = read_allowed_ips(in);
  peer.keepalive_s = read_keepalive(in);
  peer.enabled = in.boolean("enabled").value_or(true);
  peer.not_before = in.time_or_null("not_before").value_or(std::nullopt);
  peer.expires_at = in.time_or_null("expires_at").value_or(std::nullopt);
  peer.groups = in.texts("groups", kMaxGroups, kGroup).value_or(std::vector<std::string>{});
  peer.note = in.text("note", kNote).value_or("");
  peer.interface = in.text("interface", kInterface).value_or("");
  out.show_profile = in.boolean("profile").value_or(true);
  peer.profile = out.show_profile;
  if (make_key && !out.show_profile) in.fail("profile", "must not be false with make_key: nobody would ever see the private key");
  if (auto finished = in.finish(); !finished) return finished.error();
  return out;
}

Result<service::NewPeer> parse_import_line(std::string_view line) {
  const auto object = parse_object(line);
  if (!object) return object.error();
  auto creation = parse_peer_creation(*object);
  if (!creation) return creation.error();
  if (!creation->peer.public_key) {
    return Error{Errc::invalid_argument, "is not possible in an import: no profile is shown there", "make_key",
                 "Import the client's public_key, or add this peer on its own"};
  }
  return std::move(creation->peer);
}

Result<service::PeerEdit> parse_peer_edit(const json::object& object) {
  service::PeerEdit edit;
  ObjectReader in(object);
  if (const json::object* inner = in.object("owner")) {
    ObjectReader owner(*inner, "owner");
    edit.owner_name = owner.text("name", kName);
    edit.owner_email = owner.text_or_null("email", kEmail);
    if (owner.is_null("email")) edit.owner_email = "";
    if (auto finished = owner.finish(); !finished) in.fail(finished.error());
  }
  edit.device = in.text("device", kDevice);
  edit.public_key = read_public_key(in);
  edit.allowed_ips = read_allowed_ips(in);
  edit.keepalive_s = read_keepalive(in);
  if (in.is_null("keepalive_s")) edit.keepalive_s = std::uint16_t{0};
  edit.not_before = in.time_or_null("not_before");
  edit.expires_at = in.time_or_null("expires_at");
  edit.groups = in.texts("groups", kMaxGroups, kGroup);
  edit.note = in.text("note", kNote);
  if (auto finished = in.finish(); !finished) return finished.error();
  if (object.empty()) return Error{Errc::invalid_argument, "nothing to change was given"};
  return edit;
}

}  // namespace sanad::api
