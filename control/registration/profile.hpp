#pragma once
// The client's wg-quick file: written, signed by the registration key, and checked. All pure.
// The format is documented in README.md, so that `openssl` and `grep` alone can make the same check.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/certificate.hpp"
#include "control/registration/verify.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/ip.hpp"
#include "gateway/base/secret.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::registration {

inline constexpr std::size_t kMaxProfile = 64 * 1024;  // bytes

// Who stands behind the profile; without it the profile is plain and unsigned.
struct ProfileIssuer {
  std::string sentence;   // standing.hpp
  std::string chain_pem;  // leaf first; issuing certificates follow, the anchor may be left out
  std::optional<std::string> reference;
};

struct ProfileInput {
  std::string gateway_name;
  std::string device_name;                    // "ayesha-khan/laptop"; shown on a comment line, may be empty
  std::optional<wg::PrivateKey> private_key;  // unset: a comment tells where the client's own belongs
  std::vector<InterfaceAddress> addresses;    // at least one
  std::vector<IpAddress> dns;
  std::optional<std::uint16_t> mtu;  // 576..9000
  wg::PublicKey gateway_key;
  std::optional<wg::PresharedKey> preshared_key;
  bool preshared_key_withheld = false;  // the peer has one that is not shown again: a comment says so
  bool full_tunnel = false;
  std::vector<IpPrefix> networks;  // AllowedIPs of a split tunnel; at least one
  std::string endpoint_host;       // address or DNS name
  std::uint16_t endpoint_port = 0;
  std::uint16_t keepalive_s = 0;  // 0 = off, no line
  WallTime issued_at;
  std::optional<WallTime> expires_at;
  std::uint64_t sequence = 0;  // rises with every profile issued to this peer: anti-rollback
  int retention_days = 365;    // how long session records are kept, told to the employee
  std::optional<ProfileIssuer> issuer;
};

// The file's text. Holds secrets when given any: write it 0600, then wipe it. invalid_argument with `field` set.
// With `issuer`, sign it next; only then is it what `profile verify` accepts. The endpoint must then be one of the certificate's
// addresses or names, and the gateway's key its WireGuard key: else the client's check would refuse the file.
Result<std::string> write_profile(const ProfileInput& input);

// Appends the signature line. The signature covers every byte of the file except the lines that begin with
// "# sanad-signature: ", "PrivateKey = " and "PresharedKey = ": the client may put its own secrets in without breaking it, and
// can lend the file for a check without them.
Result<std::string> sign_profile(std::string_view text, const PrivateKeyPem& registration_key);

struct ProfileCheck {
  std::vector<Anchor> anchors;
  std::optional<Sha256> pin;                    // the certificate's fingerprint must be this; with a pin, anchors may be empty
  std::optional<std::uint64_t> least_sequence;  // lower ones are refused as old
  WallTime now;
  std::optional<std::string> revocation_list;  // of the certificate's issuer (PEM or DER); must be usable and not stale
  struct List {
    std::string text;  // genuine_list.hpp
    Bytes signature;
  };
  std::optional<List> genuine_list;  // of the certificate's issuer; must be usable, not stale, and name the certificate
};

struct GenuineProfile {
  Verified verified;  // with a pin alone: level self
  std::string device_name;
  WallTime issued_at;
  std::optional<WallTime> expires_at;
  std::uint64_t sequence = 0;
  int retention_days = 0;
  std::optional<WallTime> not_revoked_at;  // when the revocation list that was given was issued
  bool on_genuine_list = false;            // a list was given, and names the gateway
};

// Whether a genuine gateway wrote `text`. Each failure has its own message, and `field` names the check that failed:
// "form" (over-long, cut off, a line that no profile has), "form.line_ends" (CR LF), "form.byte_order_mark", "form.order" (lines
// that are not in the order in which they are written), "signature.missing", "signature.doubled", "signature" (it does not fit:
// something was edited), "certificate" (chain, level, damage), "certificate.dates", "pin", "peer.public_key" (not the registered
// key), "peer.endpoint" (not a registered address, name or port), "revoked", "crl" (the revocation list cannot be used), "list"
// (the list of the genuine cannot be used), "list.missing" (the gateway is not on it), "sequence" (older than least_sequence),
// "expires" (the profile's own end).
Result<GenuineProfile> verify_profile(std::string_view text, const ProfileCheck& check);

// "genuine: run by Example Software (Pvt) Ltd, ...", what is known of a revocation since, and "recorded about you: ...", one line
// each.
std::string explain_profile(const GenuineProfile& profile);

}  // namespace sanad::registration
