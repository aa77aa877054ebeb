#include "control/audit/cosigned.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <span>
#include <utility>

#include "control/audit/checkpoint.hpp"
#include "control/audit/log_reader.hpp"
#include "control/audit/log_store.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::audit {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;
constexpr std::int64_t kHourNs = std::int64_t{3600} * 1'000'000'000;

// Adds the lines of `from` that `into` lacks, unless they are of another text; drops no line but older ones of `but_for`.
void merge(std::string_view text, std::string_view from, const VerifierKey& but_for, std::string& into) {
  const auto note = parse_note(from);
  if (!note || note->text != text) return;
  for (const auto& signature : note->signatures) {
    if (signature.name == but_for.name && signature.key_id == key_id(but_for)) continue;
    const std::string line = "\xE2\x80\x94 " + std::string(signature.name) + " " + std::string(signature.base64) + "\n";
    if (into.find(line) == std::string::npos) into += line;
  }
}

Result<void> make_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) == 0) return fsync_directory(path.parent_path());
  if (errno == EEXIST) return {};
  return from_errno(errno, "couldn't make " + path.string());
}

}  // namespace

std::string cosigned_name(const VerifierKey& witness) {
  const std::uint32_t id = key_id(witness);
  const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(id >> 24U), static_cast<std::uint8_t>(id >> 16U),
                                          static_cast<std::uint8_t>(id >> 8U), static_cast<std::uint8_t>(id)};
  return hex_encode(bytes);
}

Result<void> CosignedFiles::add(const std::string& note, const VerifierKey& witness, const Cosignature& cosignature,
                                WallTime now) {
  const auto cosigned = parse_note(note);
  if (!cosigned) return cosigned.error();
  const auto checkpoint = parse_checkpoint(cosigned->text);
  if (!checkpoint) return checkpoint.error();
  const LogReader log(log_);
  const auto published = log.checkpoint();

  // The log's own line first: what was published without cosignatures stays a prefix of what is published with them.
  std::string lines;
  merge(cosigned->text, note, witness, lines);
  if (published) merge(cosigned->text, *published, witness, lines);
  const auto names = log.cosigned_names();
  if (!names) return names.error();
  for (const auto& name : *names) {
    if (const auto other = log.cosigned_checkpoint(name)) merge(cosigned->text, *other, witness, lines);
  }
  lines += cosignature.line;
  const std::string all = make_note(cosigned->text, lines);

  if (published) {
    const auto latest = parse_note(*published);
    if (latest && latest->text == cosigned->text) {
      if (auto done = write_file_durably(log_ / kCheckpointFile, all, kFileMode); !done) return done;
    }
  }
  if (auto done = make_directory(log_ / kCosignedDirectory); !done) return done;
  if (auto done = write_file_durably(log_ / kCosignedDirectory / cosigned_name(witness), all, kFileMode); !done) return done;

  if (now.ns / kHourNs == archived_hour_) return {};
  if (auto done = make_directory(log_ / kArchiveDirectory); !done) return done;
  auto done = write_file_durably(log_ / kArchiveDirectory / std::to_string(checkpoint->size), all, kFileMode);
  if (done) archived_hour_ = now.ns / kHourNs;
  return done;
}

std::optional<CosignedCheckpoint> CosignedFiles::latest(const VerifierKey& witness) const {
  const auto text = LogReader(log_).cosigned_checkpoint(cosigned_name(witness));
  if (!text) return std::nullopt;
  const auto note = parse_note(*text);
  if (!note) return std::nullopt;
  const auto signatures = verify_note(*note, std::span(&witness, 1));
  const auto checkpoint = parse_checkpoint(note->text);
  if (!signatures || !checkpoint) return std::nullopt;
  return CosignedCheckpoint{checkpoint->size, signatures->front().timestamp};
}

Result<void> CosignedFiles::write_policy(const Policy& policy) {
  const std::string text = policy_text(policy);
  const auto there = read_file(log_ / kPolicyFile, kMaxPolicyBytes);
  if (there && *there == text) return {};
  return write_file_durably(log_ / kPolicyFile, text, kFileMode);
}

}  // namespace sanad::audit
