#pragma once
// A client's profile as a file: it may hold a private key, so it is 0600 from its first byte and never replaces another.

#include <string>

#include "control/cli/context.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::cli {

// Reserves the file before the daemon is asked: a key that was made and then cannot be written anywhere is lost.
// Unless kept, the file is removed again. One thread.
class ProfileFile final {
 public:
  // `force`: an existing file is replaced (the new content takes its place whole).
  static Outcome<ProfileFile> reserve(const std::string& path, bool force);
  ProfileFile(ProfileFile&& other) noexcept;
  ProfileFile& operator=(ProfileFile&&) = delete;
  ~ProfileFile();
  // Written and fsynced, then renamed into place.
  Outcome<void> keep(const std::string& content);

 private:
  ProfileFile(std::string path, std::string temporary, UniqueFd fd, bool force)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)), force_(force) {}
  std::string path_;
  std::string temporary_;  // empty when there is nothing to remove
  UniqueFd fd_;
  bool force_;
};

// The QR code of a profile; without its comment lines where it would not fit into the terminal with them.
Outcome<void> print_qr(Context& context, const std::string& profile);

}  // namespace sanad::cli
