#include "control/service/peer_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/base/encoding.hpp"

namespace sanad::service {
namespace {

Error bad(std::string field, std::string message, std::string hint = {}) {
  return {Errc::invalid_argument, std::move(message), std::move(field), std::move(hint)};
}

Result<void> check_text(const std::string& field, const std::string& text, std::size_t max) {
  if (text.size() > max) return bad(field, fmt::format("too long ({} bytes, at most {})", text.size(), max));
  if (!is_plain_text(text)) return bad(field, "holds control characters or is not UTF-8");
  return {};
}

Result<void> check_slug(const std::string& field, const std::string& text) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (text.empty() || text.size() > kMaxSlug || !std::all_of(text.begin(), text.end(), fits) || text.front() == '-' ||
      text.back() == '-')
    return bad(field, fmt::format("must be 1 to {} of a-z, 0-9 and \"-\", not beginning or ending with \"-\"", kMaxSlug));
  return {};
}

Result<void> check_email(const std::string& email) {
  if (email.empty()) return {};
  if (auto text = check_text("owner.email", email, kMaxEmail); !text) return text;
  const auto at = email.find('@');
  if (at == 0 || at == std::string::npos || at + 1 == email.size() || email.find('@', at + 1) != std::string::npos ||
      email.find_first_of(" ,;<>\"") != std::string::npos)
    return bad("owner.email", "not an e-mail address");
  return {};
}

Result<void> check_allowed_ips(const std::vector<IpPrefix>& allowed_ips, const config::Interface& interface) {
  if (allowed_ips.empty())
    return bad("allowed_ips", "at least one address is needed", "leave the field out to have addresses given from the pools");
  if (allowed_ips.size() > kMaxAllowedIps)
    return bad("allowed_ips", fmt::format("too many ({}, at most {})", allowed_ips.size(), kMaxAllowedIps));
  for (std::size_t i = 0; i < allowed_ips.size(); ++i) {
    const std::string field = fmt::format("allowed_ips[{}]", i);
    for (const auto& own : interface.addresses)
      if (allowed_ips[i].contains(own.address))
        return bad(field,
                   fmt::format("{} holds the gateway's own address {}", allowed_ips[i].to_string(), own.address.to_string()));
    for (std::size_t k = 0; k < i; ++k)
      if (allowed_ips[i].overlaps(allowed_ips[k]))
        return bad(field,
                   fmt::format("{} overlaps with {} of the same peer", allowed_ips[i].to_string(), allowed_ips[k].to_string()));
  }
  return {};
}

Result<void> check_groups(const std::vector<std::string>& groups) {
  if (groups.size() > kMaxGroups) return bad("groups", fmt::format("too many ({}, at most {})", groups.size(), kMaxGroups));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (auto slug = check_slug(fmt::format("groups[{}]", i), groups[i]); !slug) return slug;
    if (std::find(groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(i), groups[i]) !=
        groups.begin() + static_cast<std::ptrdiff_t>(i))
      return bad(fmt::format("groups[{}]", i), "named twice");
  }
  return {};
}

Result<void> check_times(const ledger::PeerRecord& record, WallTime now) {
  if (record.expires_at && *record.expires_at <= now)
    return bad("expires_at", "is in the past (" + to_rfc3339(*record.expires_at) + ")");
  if (record.not_before && record.expires_at && *record.not_before >= *record.expires_at)
    return bad("not_before", "is not before expires_at");
  return {};
}

Result<void> check_record(const ledger::PeerRecord& record, const RulesContext& context, bool addresses_given, bool times_given) {
  if (auto slug = check_slug("device", record.device); !slug) return slug;
  if (auto groups = check_groups(record.groups); !groups) return groups;
  if (auto note = check_text("note", record.note, kMaxNote); !note) return note;
  if (addresses_given)
    if (auto ips = check_allowed_ips(record.allowed_ips, context.interface); !ips) return ips;
  if (times_given) return check_times(record, context.now);
  return {};
}

}  // namespace

Result<void> check_person(const std::string& name, const std::string& email, const std::string& handle) {
  if (name.empty() && handle.empty() && email.empty()) return bad("owner.name", "a name is needed");
  if (auto text = check_text("owner.name", name, kMaxPersonName); !text) return text;
  if (!handle.empty())
    if (auto slug = check_slug("owner.handle", handle); !slug) return slug;
  return check_email(email);
}

Result<wg::PublicKey> check_public_key(const std::string& text, const RulesContext& context) {
  auto key = wg::PublicKey::from_base64(text);
  if (!key) {
    Error error = key.error();
    error.field = "public_key";
    error.hint = "On the client: wg genkey | tee private | wg pubkey";
    return error;
  }
  if (key->is_zero()) return bad("public_key", "is the zero key");
  if (std::find(context.own_keys.begin(), context.own_keys.end(), *key) != context.own_keys.end())
    return bad("public_key", "is this gateway's own key", "the client makes its own: wg genkey | tee private | wg pubkey");
  return key;
}

Result<ledger::PeerRecord> check_new_peer(const NewPeer& input, const RulesContext& context) {
  if (input.owner_id.empty())
    if (auto person = check_person(input.owner_name, input.owner_email, input.owner_handle); !person) return person.error();
  ledger::PeerRecord record;
  record.interface = context.interface.name;
  record.device = input.device;
  if (input.public_key) {
    auto key = check_public_key(*input.public_key, context);
    if (!key) return key.error();
    record.public_key = *key;
  }
  if (input.preshared == PresharedChoice::given) {
    if (input.preshared_key.is_zero()) return bad("preshared_key", "is the zero key", "use \"none\" for no pre-shared key");
    record.preshared_key = input.preshared_key;
  }
  if (input.allowed_ips) record.allowed_ips = *input.allowed_ips;
  record.keepalive_s = input.keepalive_s.value_or(context.interface.client.keepalive_s);
  record.enabled = input.enabled;
  record.not_before = input.not_before;
  record.expires_at = input.expires_at;
  record.groups = input.groups;
  record.note = input.note;
  if (auto checked = check_record(record, context, input.allowed_ips.has_value(), true); !checked) return checked.error();
  return record;
}

Result<ledger::PeerRecord> apply_edit(ledger::PeerRecord record, const PeerEdit& edit, const RulesContext& context) {
  if (edit.owner_name || edit.owner_email) {
    record.owner.name = edit.owner_name.value_or(record.owner.name);
    record.owner.email = edit.owner_email.value_or(record.owner.email);
    if (record.owner.name.empty()) return bad("owner.name", "a name is needed");
    if (auto person = check_person(record.owner.name, record.owner.email, record.owner.handle); !person) return person.error();
  }
  if (edit.device) record.device = *edit.device;
  if (edit.public_key) {
    auto key = check_public_key(*edit.public_key, context);
    if (!key) return key.error();
    record.public_key = *key;
  }
  if (edit.allowed_ips) record.allowed_ips = *edit.allowed_ips;
  if (edit.keepalive_s) record.keepalive_s = *edit.keepalive_s;
  if (edit.not_before) record.not_before = *edit.not_before;
  if (edit.expires_at) record.expires_at = *edit.expires_at;
  if (edit.groups) record.groups = *edit.groups;
  if (edit.note) record.note = *edit.note;
  if (auto checked = check_record(record, context, edit.allowed_ips.has_value(), edit.not_before || edit.expires_at); !checked)
    return checked.error();
  return record;
}

}  // namespace sanad::service
