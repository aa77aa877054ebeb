#pragma once
// What a witness must never forget: the last checkpoint it has cosigned of each log. A directory with a file for each, named by
// the SHA-256 of the log's origin (hex, as in the URL under which monitors read it), holding the signed note with the witness's
// own cosignature: any tool that reads C2SP checkpoints reads the store.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "control/audit/checkpoint.hpp"
#include "gateway/base/result.hpp"
#include "gateway/base/unique_fd.hpp"

namespace sanad::witness {

struct Cosigned {
  audit::Checkpoint checkpoint;
  std::uint64_t timestamp = 0;  // of the cosignature, seconds since 1970
  std::string note;             // with the log's signatures and the witness's
};

// One thread.
class Store final {
 public:
  // Makes the directory (0750) when it is not there, and keeps others out of it as long as it is open. `own`: the witness's key.
  // Errors: conflict (another process has it open), corrupt (a file that is damaged: a witness that has forgotten must not go on
  // as if it had seen nothing), io.
  static Result<Store> open(const std::filesystem::path& directory, const audit::VerifierKey& own);

  [[nodiscard]] const Cosigned* last(const std::string& origin) const;        // null: none; valid until the next put()
  [[nodiscard]] const Cosigned* by_hash(std::string_view origin_hash) const;  // the same, by the name of the file

  // Success: it survives a power cut. On an error last() is what it was.
  Result<void> put(Cosigned cosigned);
  [[nodiscard]] std::size_t size() const { return by_hash_.size(); }

 private:
  Store(std::filesystem::path directory, UniqueFd lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
  Result<void> load(const std::string& name, const audit::VerifierKey& own);

  std::filesystem::path directory_;
  UniqueFd lock_;
  std::map<std::string, Cosigned, std::less<>> by_hash_;
};

}  // namespace sanad::witness
