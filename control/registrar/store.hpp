#pragma once
// A registrar's own database: what it issued, what it revoked, and the records of it that wait for the log. One process, one
// thread. A change and its record are one transaction. Errors: io, corrupt, unavailable (another registrar command holds it),
// unsupported (it was written by a newer version).

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/audit/event.hpp"
#include "control/audit/leaf.hpp"
#include "control/audit/publisher.hpp"
#include "control/registration/claims.hpp"
#include "control/registration/revocation_list.hpp"

namespace sanad::registrar {

struct IssuedCertificate {
  std::string serial;  // hex
  Sha256 fingerprint{};
  std::string legal_name;
  std::string organization_identifier;
  std::string gateway_id;
  registration::Category category = registration::Category::company;
  std::optional<std::string> reference;
  wg::PublicKey wireguard_key;
  Sha256 key_fingerprint{};  // of the registration key
  WallTime not_before;
  WallTime not_after;
  WallTime ends;  // the certificate's end, or the registration's own when that comes first
  WallTime issued_at;
  std::string certificate;  // PEM
  std::optional<WallTime> revoked_at;
  registration::RevocationReason reason = registration::RevocationReason::unspecified;
};

class Store final : public audit::Outbox {
 public:
  // Makes the file (0600) when `create`, which refuses one that is there already (conflict).
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file, bool create);

  explicit Store(SQLite::Database database);
  ~Store() override;

  // All or nothing, durable on success.
  Result<void> transact(const std::function<Result<void>()>& work);
  // For questions: turns the database's trouble into an error. The functions below are called inside one of these two.
  Result<void> look(const std::function<Result<void>()>& work);

  // ---- inside transact ----
  Result<std::uint64_t> append(const audit::EventDraft& draft, WallTime now);
  void insert(const IssuedCertificate& issued);
  void revoke(const std::string& serial, WallTime at, registration::RevocationReason reason);
  void put_prepared(const std::string& serial, const std::string& certificate);
  void drop_prepared(const std::string& serial);
  void set_meta(const std::string& key, const std::string& value);

  // ---- questions ----
  std::string meta(const std::string& key);  // empty: unset
  std::optional<std::string> prepared(const std::string& serial);
  std::optional<IssuedCertificate> find(const std::string& serial);
  // By serial number, fingerprint (hex), gateway id or legal name; newest first, at most `limit`.
  std::vector<IssuedCertificate> search(const std::string& word, std::size_t limit);
  // The newest certificate of this holder's gateway.
  std::optional<IssuedCertificate> predecessor(const std::string& legal_name, const std::string& gateway_id);
  // Not revoked and not ended. In order of issue.
  std::vector<IssuedCertificate> current(WallTime now);
  // Current ones that end by `until` and have no successor of the same holder and gateway that ends later; the next to end first.
  std::vector<IssuedCertificate> due(WallTime now, WallTime until);
  std::vector<IssuedCertificate> latest(std::size_t limit);  // newest first
  // Revoked and not yet past their own end.
  std::vector<registration::RevokedCertificate> revoked(WallTime now);
  // Current certificates for one of the keys, or with the reference, of another holder or gateway; "X (gateway g)".
  std::optional<std::string> holder_of_key(const IssuedCertificate& wanted, WallTime now);
  std::optional<std::string> holder_of_reference(const IssuedCertificate& wanted, WallTime now);
  struct Counts {
    std::uint64_t issued = 0;
    std::uint64_t current = 0;
    std::uint64_t revoked = 0;
  };
  Counts counts(WallTime now);

  // ---- audit::Outbox ----
  Result<std::string> signed_checkpoint() override;
  Result<std::vector<std::string>> pending(std::uint64_t from, std::size_t limit) override;
  Result<void> store_signed(const std::string& note, std::uint64_t size) override;
  Result<void> drop_below(std::uint64_t index) override;

 private:
  SQLite::Statement& prepare(const char* sql);
  IssuedCertificate row_of(SQLite::Statement& query);
  std::vector<IssuedCertificate> rows_of(SQLite::Statement& query);

  SQLite::Database database_;
  std::vector<std::pair<const char*, std::unique_ptr<SQLite::Statement>>> statements_;  // after database_: closed before it
  audit::FillRandom random_;
};

}  // namespace sanad::registrar
