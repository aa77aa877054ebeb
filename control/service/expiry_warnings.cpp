#include "control/service/expiry_warnings.hpp"

#include <charconv>
#include <string>

namespace sanad::service {
namespace {

constexpr std::size_t kAtOnce = 1000;
constexpr const char* kMetaExpiryWarned = "expiry_warned";  // "<expires_at ns> <seq>"

std::string write_mark(const ledger::ExpiryMark& mark) {
  return std::to_string(mark.expires_at.ns) + " " + std::to_string(mark.seq);
}

// What has ended already, also while the daemon was down, is not told of.
ledger::ExpiryMark read_mark(const std::optional<std::string>& text, WallTime now) {
  const ledger::ExpiryMark from_now{now, 0};
  if (!text) return from_now;
  ledger::ExpiryMark mark;
  const char* const end = text->data() + text->size();
  const auto time = std::from_chars(text->data(), end, mark.expires_at.ns);
  if (time.ec == std::errc{} && time.ptr != end) std::from_chars(time.ptr + 1, end, mark.seq);
  return mark.expires_at < now ? from_now : mark;
}

}  // namespace

Result<void> warn_of_expiry(ledger::Transaction& txn, const audit::Reporter& reporter) {
  const WallTime now = txn.now().wall;
  const auto kept = txn.meta(kMetaExpiryWarned);
  ledger::ExpiryMark mark = read_mark(kept, now);
  const auto peers = txn.peers_expiring(mark, now + ledger::kExpiryWarning, kAtOnce);
  for (const auto& peer : peers) {
    boost::json::object details{{"peer", peer.id}, {"expires_at", peer.mark.expires_at.ms()}};
    if (auto index = txn.append(audit::own_event(reporter, now, "peer_expiring", std::move(details))); !index)
      return index.error();
    mark = peer.mark;
  }
  if (!peers.empty() || !kept) txn.set_meta(kMetaExpiryWarned, write_mark(mark));
  return {};
}

}  // namespace sanad::service
