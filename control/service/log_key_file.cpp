#include "control/service/log_key_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "control/audit/ed25519.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::service {
namespace {

constexpr std::size_t kMaxKeyFile = 16 * 1024;

void wipe_text(std::string& text) { wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}); }

Error failed(int err, const char* what, const std::filesystem::path& path) {
  return from_errno(err, std::string("couldn't ") + what + " " + path.string());
}

Result<Secret32> make(const std::filesystem::path& file) {
  const auto directory = file.parent_path();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return failed(errno, "make", directory);
  // Also when it was there: whoever made it may have been killed before its name was durable.
  if (auto done = fsync_directory(directory.parent_path()); !done) return std::move(done).error();
  auto seed = audit::generate_ed25519();
  if (!seed) return seed;
  auto pem = audit::ed25519_to_pem(*seed);
  if (!pem) return std::move(pem).error();
  auto written = write_file_durably(file, *pem, 0600);
  wipe_text(*pem);
  if (!written) {
    // Its name may not be durable, and a later look would find it all the same.
    ::unlink(file.c_str());
    return std::move(written).error();
  }
  return seed;
}

}  // namespace

LogKeyFile::LogKeyFile(const std::filesystem::path& state_dir, std::uint64_t epoch) {
  const std::string name = "log-" + std::to_string(epoch) + ".key";
  path_ = state_dir / "keys" / name;
  if (const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY"); credentials != nullptr) {
    const auto given = std::filesystem::path(credentials) / name;
    credential_ = ::access(given.c_str(), F_OK) == 0;
    if (credential_) path_ = given;
  }
}

Result<Secret32> LogKeyFile::read() const {
  auto pem = read_secret_file(path_, kMaxKeyFile);
  if (!pem) return std::move(pem).error();
  auto seed = audit::ed25519_from_pem(*pem);
  wipe_text(*pem);
  if (!seed) return std::move(seed).error().within(path_.string());
  return seed;
}

Result<Secret32> LogKeyFile::read_or_make() const {
  auto seed = read();
  if (!seed && seed.error().code == Errc::not_found) return make(path_);
  if (seed && !credential_) {
    if (auto done = fsync_directory(path_.parent_path()); !done) return std::move(done).error();
  }
  return seed;
}

Result<bool> LogKeyFile::destroy() const {
  if (credential_) return false;
  const UniqueFd fd{::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd && errno == ENOENT) {
    // Unlinked before, perhaps by a process that was killed before that was durable.
    if (auto done = fsync_directory(path_.parent_path()); !done && done.error().code != Errc::not_found)
      return std::move(done).error();
    return true;
  }
  if (!fd) return failed(errno, "open", path_);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return failed(errno, "stat", path_);
  const std::string zeros(static_cast<std::size_t>(st.st_size), '\0');
  for (std::size_t done = 0; done < zeros.size();) {
    const ssize_t n = ::pwrite(fd.get(), zeros.data() + done, zeros.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno, "overwrite", path_);
    done += static_cast<std::size_t>(n);
  }
  if (::fsync(fd.get()) != 0) return failed(errno, "fsync", path_);
  if (::unlink(path_.c_str()) != 0) return failed(errno, "remove", path_);
  if (auto done = fsync_directory(path_.parent_path()); !done) return std::move(done).error();
  return true;
}

}  // namespace sanad::service
