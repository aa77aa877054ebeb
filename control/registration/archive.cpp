#include "control/registration/archive.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

namespace sanad::registration {
namespace {

struct ArchiveFreer {
  void operator()(::archive* handle) const { ::archive_write_free(handle); }
};
struct EntryFreer {
  void operator()(::archive_entry* handle) const { ::archive_entry_free(handle); }
};

la_ssize_t append(::archive* /*handle*/, void* out, const void* bytes, std::size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

}  // namespace

Result<std::string> make_archive(const std::vector<ArchivedFile>& files, WallTime time) {
  std::string out;
  const std::unique_ptr<::archive, ArchiveFreer> archive{::archive_write_new()};
  const auto failed = [&] {
    const char* why = archive ? ::archive_error_string(archive.get()) : nullptr;
    return Error{Errc::internal, std::string{"couldn't write the archive: "} + (why == nullptr ? "out of memory" : why)};
  };
  if (!archive || ::archive_write_set_format_ustar(archive.get()) != ARCHIVE_OK ||
      ::archive_write_open(archive.get(), &out, nullptr, append, nullptr) != ARCHIVE_OK) {
    return failed();
  }
  for (const ArchivedFile& file : files) {
    const std::unique_ptr<::archive_entry, EntryFreer> entry{::archive_entry_new()};
    if (!entry) return failed();
    ::archive_entry_set_pathname(entry.get(), file.name.c_str());
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
    ::archive_entry_set_filetype(entry.get(), AE_IFREG);
    ::archive_entry_set_perm(entry.get(), 0600);
    ::archive_entry_set_mtime(entry.get(), static_cast<time_t>(time.ns / 1'000'000'000), 0);
    if (::archive_write_header(archive.get(), entry.get()) != ARCHIVE_OK ||
        ::archive_write_data(archive.get(), file.content.data(), file.content.size()) !=
            static_cast<la_ssize_t>(file.content.size())) {
      return failed();
    }
  }
  if (::archive_write_close(archive.get()) != ARCHIVE_OK) return failed();
  return out;
}

}  // namespace sanad::registration
