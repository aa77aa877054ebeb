// Registrations, stored answers, single values.

#include <algorithm>

#include "control/ledger/store.hpp"
#include "control/ledger/transaction.hpp"

namespace sanad::ledger {
namespace {

RegistrationRecord read_registration(const Query& row) {
  RegistrationRecord record;
  record.certificate_pem = row.text(0);
  record.fingerprint = row.text(1);
  record.reference = row.text(2);
  record.authority_valid_until = row.optional_time(3);
  record.note = row.text(4);
  record.installed = row.time(5);
  record.from_index = row.counter(6);
  record.grace_until = row.optional_time(7);
  record.grace_announcement = row.text(8);
  return record;
}

}  // namespace

void Transaction::put_registration(const RegistrationRecord& record) {
  Query(store_,
        "INSERT OR REPLACE INTO registrations(certificate_pem, fingerprint, reference, authority_valid_until, note, installed, "
        "from_index, grace_until, grace_announcement) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
      .bind(record.certificate_pem, record.fingerprint, record.reference, record.authority_valid_until, record.note,
            record.installed, record.from_index, record.grace_until, record.grace_announcement)
      .run();
}

Result<void> Transaction::set_grace(const std::string& fingerprint, WallTime until, const std::string& announcement) {
  const int changed = Query(store_, "UPDATE registrations SET grace_until = ?2, grace_announcement = ?3 WHERE fingerprint = ?1")
                          .bind(fingerprint, until, announcement)
                          .run();
  if (changed == 0) return Error{Errc::not_found, "no registration certificate with this fingerprint was installed"};
  return {};
}

std::optional<RegistrationRecord> Transaction::current_registration() {
  auto all = registration_history();
  if (all.empty()) return std::nullopt;
  return std::move(all.back());
}

std::vector<RegistrationRecord> Transaction::registration_history() {
  std::vector<RegistrationRecord> out;
  Query query(store_,
              "SELECT certificate_pem, fingerprint, reference, authority_valid_until, note, installed, from_index, grace_until, "
              "grace_announcement FROM registrations ORDER BY from_index");
  while (query.step()) out.push_back(read_registration(query));
  return out;
}

std::optional<StoredAnswer> Transaction::stored_answer(std::uint32_t uid, const std::string& key) {
  Query query(store_, "SELECT request_digest, status, body, created FROM answers WHERE uid = ?1 AND key = ?2");
  query.bind(uid, key);
  if (!query.step()) return std::nullopt;
  StoredAnswer answer{uid, key, {}, static_cast<std::uint32_t>(query.integer(1)), query.text(2), query.time(3)};
  const std::string digest = query.bytes(0, answer.request_digest.size());
  std::copy(digest.begin(), digest.end(), answer.request_digest.begin());
  return answer;
}

void Transaction::store_answer(const StoredAnswer& answer) {
  Query(store_, "INSERT OR REPLACE INTO answers(uid, key, request_digest, status, body, created) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
      .bind(answer.uid, answer.key, answer.request_digest, answer.status, answer.body, answer.created)
      .run();
}

std::uint64_t Transaction::prune_answers(WallTime before) {
  return static_cast<std::uint64_t>(Query(store_, "DELETE FROM answers WHERE created < ?1").bind(before).run());
}

std::optional<std::string> Transaction::meta(const std::string& key) {
  Query query(store_, "SELECT value FROM meta WHERE key = ?1", Reads::others);
  query.bind(key);
  if (!query.step()) return std::nullopt;
  return query.text(0);
}

void Transaction::forget_meta(const std::string& key) { Query(store_, "DELETE FROM meta WHERE key = ?1").bind(key).run(); }

void Transaction::set_meta(const std::string& key, const std::string& value) {
  Query(store_, "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)", Reads::others).bind(key, value).run();
  if (key == kMetaEpoch) store_.forget_epoch();
}

}  // namespace sanad::ledger
