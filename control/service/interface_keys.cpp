#include "control/service/interface_keys.hpp"

#include <cerrno>
#include <cstdio>

#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/log.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::service {
namespace {

constexpr std::size_t kMaxKeyFile = 4096;

Result<InterfaceKey> pair_of(const wg::PrivateKey& key) {
  auto derived = wg::derive_public_key(key);
  if (!derived) return derived.error();
  return InterfaceKey{key, *derived};
}

Result<InterfaceKey> read_key(const std::filesystem::path& file) {
  auto text = read_secret_file(file, kMaxKeyFile);
  if (!text) return text.error();
  auto key = wg::secret_from_base64(std::string_view(*text).substr(0, text->find('\n')));
  wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  if (!key) return std::move(key).error().within(file.string());
  return pair_of(*key);
}

}  // namespace

KeyFiles key_files(const config::Interface& settings) {
  return {settings.private_key.path, settings.private_key.path.string() + ".next"};
}

std::string digest_of(const wg::PublicKey& key) { return hex_encode(sha256(key.bytes())); }

Result<InterfaceKey> next_key(const KeyFiles& files, const wg::PublicKey& in_use) {
  auto next = read_key(files.next);
  if (!next || next->public_key != in_use) return next;
  put_in_place(files);
  return Error{Errc::not_found, "the next key is in use already"};
}

Result<InterfaceKey> make_next_key(const KeyFiles& files, const wg::PublicKey& in_use) {
  auto next = next_key(files, in_use);
  if (next || next.error().code != Errc::not_found) return next;
  auto key = wg::generate_private_key();
  if (!key) return key.error();
  std::string text = wg::secret_to_base64(*key) + "\n";
  auto written = write_file_durably(files.next, text, 0600);
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (!written) return written.error();
  return pair_of(*key);
}

std::optional<InterfaceKey> recover_key(const KeyFiles& files, const std::string& digest_in_use) {
  auto next = read_key(files.next);
  if (!next || digest_of(next->public_key) != digest_in_use) return std::nullopt;
  put_in_place(files);
  return *next;
}

void put_in_place(const KeyFiles& files) {
  if (::rename(files.next.c_str(), files.current.c_str()) != 0)
    log::error("the key in use is still in {}, and is looked for there: {}", files.next.string(),
               from_errno(errno, "couldn't rename it").message);
  else if (auto synced = fsync_directory(files.current.parent_path()); !synced)
    log::warn("{}", synced.error().message);
}

}  // namespace sanad::service
