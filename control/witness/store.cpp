#include "control/witness/store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::witness {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;

std::string hash_of(const std::string& origin) { return hex_encode(sha256(as_bytes(origin))); }

bool is_hash(std::string_view name) {
  const auto bytes = hex_decode(name);
  return bytes && bytes->size() == std::tuple_size_v<Sha256>;
}

}  // namespace

Result<Store> Store::open(const std::filesystem::path& directory, const audit::VerifierKey& own) {
  if (::mkdir(directory.c_str(), kDirectoryMode) == 0) {
    if (auto done = fsync_directory(directory.parent_path()); !done) return std::move(done).error();
  } else if (errno != EEXIST) {
    return from_errno(errno, "couldn't make " + directory.string());
  }
  const auto lock_file = directory / "lock";
  UniqueFd lock{::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode)};
  if (!lock) return from_errno(errno, "couldn't open " + lock_file.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return from_errno(errno, "couldn't lock " + lock_file.string());
    return Error{Errc::conflict,
                 "another witness has " + directory.string() + " open",
                 {},
                 "stop it first: two that share a store would cosign two histories"};
  }
  Store store(directory, std::move(lock));
  std::error_code failed;
  std::filesystem::directory_iterator at(directory, failed);
  for (; !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (!is_hash(name)) continue;  // the lock, and what a kill left beside a file
    if (auto done = store.load(name, own); !done) {
      Error error = std::move(done).error().within((directory / name).string());
      error.hint = "bring the file back from a backup, or ask the log for the checkpoint it has from this witness";
      return error;
    }
  }
  if (failed) return from_errno(failed.value(), "couldn't list " + directory.string());
  return store;
}

Result<void> Store::load(const std::string& name, const audit::VerifierKey& own) {
  auto text = read_file(directory_ / name, audit::kMaxNoteBytes);
  if (!text) return std::move(text).error();
  const auto note = audit::parse_note(*text);
  if (!note) return note.error();
  auto checkpoint = audit::parse_checkpoint(note->text);
  if (!checkpoint) return std::move(checkpoint).error();
  if (hash_of(checkpoint->origin) != name) return Error{Errc::corrupt, "it is not of the log that its name says"};
  Cosigned cosigned{*std::move(checkpoint), 0, {}};
  const auto signatures = audit::verify_note(*note, std::span(&own, 1));
  // Signed by an earlier key of the witness: what was seen stays seen.
  if (!signatures && signatures.error().code != Errc::permission_denied) return signatures.error();
  if (signatures) cosigned.timestamp = signatures->front().timestamp;
  cosigned.note = *std::move(text);
  by_hash_.insert_or_assign(name, std::move(cosigned));
  return {};
}

const Cosigned* Store::by_hash(std::string_view origin_hash) const {
  const auto found = by_hash_.find(origin_hash);
  return found == by_hash_.end() ? nullptr : &found->second;
}

const Cosigned* Store::last(const std::string& origin) const { return by_hash(hash_of(origin)); }

Result<void> Store::put(Cosigned cosigned) {
  const std::string name = hash_of(cosigned.checkpoint.origin);
  if (auto done = write_file_durably(directory_ / name, cosigned.note, kFileMode); !done) return done;
  by_hash_.insert_or_assign(name, std::move(cosigned));
  return {};
}

}  // namespace sanad::witness
