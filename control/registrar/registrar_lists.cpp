// What a registrar publishes: the revocation list, the list of the genuine, its log.

#include <boost/json.hpp>
#include <charconv>

#include "control/audit/log_reader.hpp"
#include "control/registrar/registrar.hpp"
#include "control/registration/signing.hpp"
#include "control/registration/verify.hpp"
#include "gateway/base/durable_file.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::registrar {
namespace {

constexpr std::size_t kMaxKeyFile = 16 * 1024;
constexpr const char* kMetaCrlNumber = "crl_number";
constexpr const char* kMetaListNumber = "list_number";

Result<Secret32> log_key(const std::filesystem::path& file) {
  auto pem = read_secret_file(file, kMaxKeyFile);
  if (pem) {
    auto seed = audit::ed25519_from_pem(*pem);
    wipe({reinterpret_cast<std::uint8_t*>(pem->data()), pem->size()});
    return seed;
  }
  if (pem.error().code != Errc::not_found) return pem.error();
  auto seed = audit::generate_ed25519();
  if (!seed) return seed;
  auto text = audit::ed25519_to_pem(*seed);
  if (!text) return text.error();
  auto written = write_file_durably(file, *text, 0600);
  wipe({reinterpret_cast<std::uint8_t*>(text->data()), text->size()});
  if (!written) return written.error();
  return seed;
}

WallTime whole_second(WallTime time) { return WallTime{time.ns / 1'000'000'000 * 1'000'000'000}; }

}  // namespace

// Inside a transaction.
Result<std::uint64_t> Registrar::next_number(const std::string& meta) {
  const std::string text = store_->meta(meta);
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && (read.ec != std::errc{} || read.ptr != text.data() + text.size()))
    return Error{Errc::corrupt, "the registrar's database: " + meta + " is not a number"};
  store_->set_meta(meta, std::to_string(number + 1));
  return number + 1;
}

Result<std::string> Registrar::revocation_list(const registration::PrivateKeyPem* key, WallTime now) {
  std::string pem;
  auto done = store_->transact([&]() -> Result<void> {
    auto number = next_number(kMetaCrlNumber);
    if (!number) return number.error();
    const WallTime from = whole_second(now);
    const registration::RevocationListDraft draft{*number, from, from + policy_.crl_lifetime, store_->revoked(now)};
    auto list = key == nullptr ? registration::prepare_revocation_list(ca_pem_, draft)
                               : registration::make_revocation_list({ca_pem_, *key}, draft);
    if (!list) return list.error();
    pem = *std::move(list);
    return {};
  });
  if (!done) return done.error();
  return pem;
}

Result<std::string> Registrar::genuine_list(WallTime now) {
  std::string text;
  auto done = store_->transact([&]() -> Result<void> {
    auto number = next_number(kMetaListNumber);
    if (!number) return number.error();
    const WallTime from = whole_second(now);
    registration::GenuineList list{name_, *number, from, from + policy_.list_lifetime, {}};
    for (IssuedCertificate& one : store_->current(now)) {
      list.gateways.push_back({one.fingerprint, std::move(one.legal_name), std::move(one.gateway_id), one.wireguard_key,
                               std::move(one.reference), one.ends});
    }
    text = registration::write_genuine_list(list);
    return {};
  });
  if (!done) return done.error();
  return text;
}

Result<void> Registrar::write_public(const std::string& name, std::string_view content) const {
  return write_file_durably(directory_ / "public" / name, content, 0644);
}

Result<void> Registrar::publish_revocation_list(std::string_view pem, WallTime now) {
  if (auto good = registration::check_revocation_list_signature(pem, ca_pem_); !good) return good;
  auto recorded = store_->transact([&]() -> Result<void> {
    boost::json::object details{{"sha256", hex_encode(sha256(as_bytes(pem)))}};
    auto index = store_->append(audit::own_event(reporter(), now, "revocation_list", std::move(details)), now);
    if (!index) return index.error();
    return {};
  });
  if (!recorded) return recorded;
  return write_public("crl.pem", pem);
}

Result<void> Registrar::publish_genuine_list(std::string_view text, std::span<const std::uint8_t> signature, WallTime now) {
  auto list = registration::read_genuine_list(text);
  if (!list) return list.error();
  if (auto good = registration::check_list_signature(text, signature, ca_pem_); !good) return good;
  auto recorded = store_->transact([&]() -> Result<void> {
    boost::json::object details{
        {"number", list->number}, {"gateways", list->gateways.size()}, {"sha256", hex_encode(sha256(as_bytes(text)))}};
    auto index = store_->append(audit::own_event(reporter(), now, "genuine_list", std::move(details)), now);
    if (!index) return index.error();
    return {};
  });
  if (!recorded) return recorded;
  // The signature last: whoever fetches in between finds one that does not fit, and tries again.
  if (auto written = write_public("genuine.json", text); !written) return written;
  return write_public("genuine.json.sig", {reinterpret_cast<const char*>(signature.data()), signature.size()});
}

Result<void> Registrar::publish_log(WallTime now) {
  auto seed = log_key(directory_ / "keys" / "log-1.key");
  if (!seed) return std::move(seed).error().within("couldn't read the log's signing key");
  const audit::Signer signer{"sanad/" + id_, *seed};
  auto verifier = audit::verifier_of(signer);
  if (!verifier) return verifier.error();
  audit::OneSigningKey keys(signer, {1, *std::move(verifier)});
  auto log = audit::LogStore::open(directory_ / "log");
  if (!log) return log.error();
  audit::Publisher publisher(*std::move(log), *store_, keys);
  for (;;) {
    auto published = publisher.publish(now);
    if (!published) return published.error();
    if (!published->more) return {};
  }
}

}  // namespace sanad::registrar
