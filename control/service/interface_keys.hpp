#pragma once
// The files of an interface's private key: the one in use, and beside it (".next") the one that is to follow. Blocking calls:
// device thread.
//
// Order of durability of a change: the next key's file; the commit that says which key is in use (kMetaKeyInUsePrefix); the
// rename of the next file onto the first. A kill or a failed rename between the last two is mended by whoever looks next: the
// start, or any step of the rotation.

#include <filesystem>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "gateway/base/result.hpp"
#include "gateway/wg/key.hpp"

namespace sanad::service {

// meta, + interface: SHA-256 of the public key that a rotation took into use, hex; absent: none was rotated here.
inline constexpr const char* kMetaKeyInUsePrefix = "key_in_use.";

struct InterfaceKey {
  wg::PrivateKey key;
  wg::PublicKey public_key;
};

struct KeyFiles {
  std::filesystem::path current, next;
};
KeyFiles key_files(const config::Interface& settings);

// SHA-256 of the key, hex: what evidence and meta know it by.
std::string digest_of(const wg::PublicKey& key);

// The next key. not_found: none was made. When the file holds the key that is in use, its rename is made up for: not_found then,
// too.
Result<InterfaceKey> next_key(const KeyFiles& files, const wg::PublicKey& in_use);
// The same, and made durably when there is none.
Result<InterfaceKey> make_next_key(const KeyFiles& files, const wg::PublicKey& in_use);
// The key whose public half has this digest, if the next file holds it: it was taken into use, and a kill came before the rename,
// which is made up for.
std::optional<InterfaceKey> recover_key(const KeyFiles& files, const std::string& digest_in_use);
// Renames the next file onto the first, durably. Logs when it cannot.
void put_in_place(const KeyFiles& files);

}  // namespace sanad::service
