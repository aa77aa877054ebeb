#include "control/cli/profile_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "control/cli/qr.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::cli {
namespace {

Failure exists(const std::string& path) {
  return {Exit::failure, path + " is there already, and may hold a key", "Name another file, or --force to replace it"};
}

}  // namespace

ProfileFile::ProfileFile(ProfileFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      force_(other.force_) {}

ProfileFile::~ProfileFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Outcome<ProfileFile> ProfileFile::reserve(const std::string& path, bool force) {
  struct ::stat existing {};
  if (!force && ::lstat(path.c_str(), &existing) == 0) return exists(path);
  std::string temporary = fmt::format("{}.new-{}", path, ::getpid());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return failure_of(from_errno(errno, "couldn't create " + path));
  return ProfileFile(path, std::move(temporary), std::move(fd), force);
}

Outcome<void> ProfileFile::keep(const std::string& content) {
  std::string_view rest = content;
  while (!rest.empty()) {
    const ::ssize_t n = ::write(fd_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure_of(from_errno(errno, "couldn't write " + path_));
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(fd_.get()) != 0) return failure_of(from_errno(errno, "couldn't write " + path_));
  // link(2) refuses an existing name where rename(2) would replace it: a file made since reserve() is not lost either.
  if (force_) {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failure_of(from_errno(errno, "couldn't write " + path_));
    temporary_.clear();
  } else if (::link(temporary_.c_str(), path_.c_str()) != 0) {
    return errno == EEXIST ? exists(path_) : failure_of(from_errno(errno, "couldn't write " + path_));
  }
  const std::filesystem::path parent = std::filesystem::path(path_).parent_path();
  if (auto synced = fsync_directory(parent.empty() ? "." : parent); !synced) return failure_of(synced.error());
  return {};
}

Outcome<void> print_qr(Context& context, const std::string& profile) {
  auto whole = make_qr(profile);
  const bool fits = whole && whole->columns() <= context.terminal.columns;
  auto code = fits ? std::move(whole) : make_qr(without_comments(profile));
  if (!code) return failure_of(code.error());
  if (code->columns() > context.terminal.columns) {
    return Failure{Exit::failure,
                   fmt::format("the QR code needs {} columns, the terminal has {}", code->columns(), context.terminal.columns),
                   "Make the window wider or the letters smaller"};
  }
  context.out << draw_qr(*code, context.terminal.colours);
  if (!fits) context.err << "(without the lines about the registration, which the file has)\n";
  return {};
}

}  // namespace sanad::cli
