#pragma once
// What the issuers' revocation lists say of one certificate, and since when that is known. Loop thread; opens nothing.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/registration/crl.hpp"
#include "control/service/queries.hpp"

namespace sanad::service {

// An attempt to read a list, from a file or a URL.
struct ListReading {
  std::string source;   // the file or URL
  std::string text;     // empty when there was a problem
  std::string problem;  // plain words; may be empty with an empty text: then the text itself is judged
  WallTime when;        // of the attempt
};

class RevocationLists {
 public:
  // Read before a restart, by source: counts until the first attempt after it. Nothing is replaced.
  void set_kept(std::vector<ListReading> lists);
  // The last usable reading of a source.
  [[nodiscard]] std::optional<ListReading> known(const std::string& source) const;
  // Whether `reading` can be used for `verified`, and is not older than what is known already: worth keeping over a restart.
  [[nodiscard]] bool is_usable(const ListReading& reading, const registration::Verified& verified, WallTime now) const;

  // The lists of several issuers may be configured: the one that can speak of this certificate counts, and "revoked" above all.
  // What is gone, half written, out of reach or older than what was read before takes nothing back of what that said.
  registration::RevocationState judge(const std::vector<ListReading>& readings, const registration::Verified& verified,
                                      WallTime now);
  // No certificate to ask about.
  void forget_verdict();
  // Of the last judge().
  [[nodiscard]] const RevocationStatus& status() const { return status_; }

 private:
  struct Known {
    std::string text;  // the last usable one; empty: there was none
    WallTime when;
    std::optional<WallTime> failing_since;
  };
  registration::RevocationState weigh(const ListReading& reading, const registration::Verified& verified, WallTime now);

  std::map<std::string, Known> known_;
  RevocationStatus status_;
};

}  // namespace sanad::service
