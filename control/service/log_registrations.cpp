#include "control/service/log_registrations.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <limits>

#include "control/audit/key_statement.hpp"
#include "control/audit/note.hpp"
#include "control/registration/signature.hpp"
#include "gateway/base/durable_file.hpp"

namespace sanad::service {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;
constexpr std::size_t kMaxFile = registration::kMaxPem + 1024;
constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();

Result<void> make_directory(const std::filesystem::path& directory) {
  if (::mkdir(directory.c_str(), kDirectoryMode) != 0) {
    if (errno == EEXIST) return {};
    return from_errno(errno, "couldn't make " + directory.string());
  }
  return fsync_directory(directory.parent_path());
}

Result<void> write_unless_there(const std::filesystem::path& file, std::string_view text) {
  if (const auto there = read_file(file, kMaxFile); there && *there == text) return {};
  return write_file_durably(file, text, kFileMode);
}

bool is_there(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

std::string_view as_text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// The text comes last: where it is, the signature is.
Result<bool> write_statement(const LogRegistrations& what, std::uint64_t registration, const ledger::LogKey& epoch) {
  const auto text_file = what.log / audit::key_statement_file(registration, epoch.epoch);
  if (is_there(text_file)) return false;
  const auto key = audit::parse_vkey(epoch.vkey);
  if (!key) return key.error();
  const auto text = audit::key_statement_text({key->name, epoch.epoch, epoch.first_index, epoch.vkey});
  const auto signature = registration::sign_text(text, *what.key);
  if (!signature) return signature.error();
  const auto signature_file = what.log / audit::key_signature_file(registration, epoch.epoch);
  if (auto done = write_file_durably(signature_file, as_text(*signature), kFileMode); !done) return std::move(done).error();
  if (auto done = write_file_durably(text_file, text, kFileMode); !done) return std::move(done).error();
  return true;
}

// The certificate itself is the chain's first.
bool is_key_of(const registration::PrivateKeyPem& key, const std::string& chain_pem) {
  const auto chain = registration::split_chain(chain_pem);
  return chain && registration::check_key_matches(chain->front(), key);
}

}  // namespace

Result<std::size_t> write_log_registrations(const LogRegistrations& what) {
  std::size_t written = 0;
  if (what.installed.empty()) return written;
  if (auto made = make_directory(what.log / audit::kRegistrationDirectory); !made) return std::move(made).error();
  for (std::size_t i = 0; i < what.installed.size(); ++i) {
    const auto& record = what.installed[i];
    const std::uint64_t begin = record.from_index;
    const std::uint64_t end = i + 1 < what.installed.size() ? what.installed[i + 1].from_index : kForEver;
    if (auto done = write_unless_there(what.log / audit::registration_chain_file(begin), record.certificate_pem); !done) {
      return std::move(done).error();
    }
    if (!what.key || !is_key_of(*what.key, record.certificate_pem)) continue;
    for (std::size_t e = 0; e < what.epochs.size(); ++e) {
      const std::uint64_t epoch_end = e + 1 < what.epochs.size() ? what.epochs[e + 1].first_index : kForEver;
      if (what.epochs[e].first_index >= end || epoch_end <= begin) continue;
      auto done = write_statement(what, begin, what.epochs[e]);
      if (!done) return std::move(done).error();
      if (*done) ++written;
    }
  }
  const auto& in_force = what.installed.back();
  const auto text = audit::registration_in_force_text(in_force.from_index, in_force.certificate_pem);
  if (auto done = write_unless_there(what.log / audit::kRegistrationFile, text); !done) return std::move(done).error();
  return written;
}

}  // namespace sanad::service
