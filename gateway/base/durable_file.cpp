#include "gateway/base/durable_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "gateway/base/unique_fd.hpp"

namespace sanad {
namespace {

std::string verb(const char* what, const std::filesystem::path& path) {
  return std::string("couldn't ") + what + " " + path.string();
}

Result<void> write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return from_errno(errno, verb("write", path));
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> read_checked(const std::filesystem::path& path, std::size_t limit, mode_t refused_bits) {
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return from_errno(errno, verb("open", path));
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return from_errno(errno, verb("stat", path));
  if (!S_ISREG(st.st_mode)) return Error{Errc::invalid_argument, path.string() + " is not a regular file"};
  if ((st.st_mode & refused_bits) != 0)
    return Error{Errc::permission_denied, path.string() + " holds a secret and can be read by others", "",
                 "chmod 600 " + path.string()};
  std::string content;
  for (char buffer[16384];;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return from_errno(errno, verb("read", path));
    if (n == 0) return content;
    content.append(buffer, static_cast<std::size_t>(n));
    if (content.size() > limit)
      return Error{Errc::invalid_argument, path.string() + " is larger than " + std::to_string(limit) + " bytes"};
  }
}

}  // namespace

Result<void> fsync_directory(const std::filesystem::path& directory) {
  const UniqueFd fd{::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) return from_errno(errno, verb("open", directory));
  if (::fsync(fd.get()) != 0) return from_errno(errno, verb("fsync", directory));
  return {};
}

Result<void> write_file_durably(const std::filesystem::path& path, std::string_view content, mode_t mode) {
  const std::filesystem::path temporary = path.string() + ".tmp." + std::to_string(::getpid());
  const auto fail = [&temporary](Error error) {
    ::unlink(temporary.c_str());
    return error;
  };
  UniqueFd fd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
  if (!fd && errno == EEXIST) {  // left by an earlier process of the same pid that was killed here
    ::unlink(temporary.c_str());
    fd = UniqueFd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)};
  }
  if (!fd) return from_errno(errno, verb("create", temporary));
  if (::fchmod(fd.get(), mode) != 0)
    return fail(from_errno(errno, verb("set the mode of", temporary)));  // whatever the umask says
  if (auto written = write_all(fd.get(), content, temporary); !written) return fail(std::move(written).error());
  if (::fsync(fd.get()) != 0) return fail(from_errno(errno, verb("fsync", temporary)));
  if (::close(fd.release()) != 0) return fail(from_errno(errno, verb("close", temporary)));
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(from_errno(errno, verb("rename into place", path)));
  return fsync_directory(path.parent_path());
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) { return read_checked(path, limit, 0); }

Result<std::string> read_secret_file(const std::filesystem::path& path, std::size_t limit) {
  return read_checked(path, limit, S_IRWXG | S_IRWXO);
}

}  // namespace sanad
