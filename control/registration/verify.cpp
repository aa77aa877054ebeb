#include "control/registration/verify.hpp"

#include <algorithm>

#include "control/registration/openssl.hpp"
#include "control/registration/standing.hpp"

namespace sanad::registration {
namespace {

using StorePtr = std::unique_ptr<X509_STORE, Freer<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;

struct StackFreer {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using StackPtr = std::unique_ptr<STACK_OF(X509), StackFreer>;

struct OpenAnchor {
  X509Ptr certificate;
  Level level;
  std::string name;
};

// `fault`: which kind of refusal, "certificate.issuer".
Error refuse(std::string_view fault, std::string message) {
  return {Errc::refused_by_policy, std::move(message), "certificate." + std::string{fault}};
}

Result<std::vector<OpenAnchor>> open_anchors(const std::vector<Anchor>& anchors) {
  std::vector<OpenAnchor> open;
  for (std::size_t i = 0; i < anchors.size(); ++i) {
    const std::string field = "anchors[" + std::to_string(i) + "]";
    auto certificate = read_certificate(anchors[i].pem);
    if (!certificate) return Error{Errc::invalid_argument, field + ": " + certificate.error().message, field};
    std::string name = anchors[i].name;
    if (name.empty()) {
      auto summary = summarise(certificate->get());
      if (!summary) return Error{Errc::invalid_argument, field + ": " + summary.error().message, field};
      name = summary->name;
    }
    if (!is_plain_text(name)) return Error{Errc::invalid_argument, field + ".name: not plain text", field + ".name"};
    for (const OpenAnchor& other : open) {
      if (X509_cmp(other.certificate.get(), certificate->get()) == 0 && other.level != anchors[i].level) {
        return Error{Errc::invalid_argument, field + ": the same certificate is given with two levels", field};
      }
    }
    open.push_back({*std::move(certificate), anchors[i].level, std::move(name)});
  }
  return open;
}

Result<std::vector<X509Ptr>> open_chain(std::string_view pem) {
  auto blocks = split_chain(pem);
  if (!blocks) return blocks.error();
  std::vector<X509Ptr> chain;
  for (const std::string& block : *blocks) {
    auto certificate = read_certificate(block);
    if (!certificate) return certificate.error();
    chain.push_back(*std::move(certificate));
  }
  return chain;
}

// Which certificate of the chain a message speaks of: its name, or where it stands when it has none.
std::string called(X509* certificate) {
  auto summary = certificate == nullptr ? Result<CertificateSummary>{Error{}} : summarise(certificate);
  return summary ? "\"" + summary->name + "\"" : "a certificate of the chain";
}

Error in_plain_words(int error, X509* at) {
  const std::string who = called(at);
  switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED: {
      auto issuer = at == nullptr ? Result<std::string>{Error{}} : name_text(X509_get_issuer_name(at));
      return refuse("issuer", "unknown issuer: " + who + " was issued by " + (issuer ? "\"" + *issuer + "\"" : "somebody") +
                                  ", which is not among the trusted");
    }
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return refuse("issuer", "unknown issuer: " + who + " only declares itself, and this certificate is not among the trusted");
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return refuse("issuer", "unknown issuer: the chain ends in " + who + ", which is not among the trusted");
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
      return refuse("signature", "broken signature: " + who + " was changed after it was signed, or its issuer did not sign it");
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
      return refuse("chain", "not allowed to issue: " + who + " is no issuing certificate");
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
      return refuse("chain", "not allowed to issue: more certificates stand below " + who + " than it may have");
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return refuse("chain", "chain too long: more than five certificates");
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
      return refuse("extension", "unknown critical extension in " + who);
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
      return refuse("strength", "weak key in " + who);
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return refuse("strength", "weak signature on " + who + ": SHA-256 or stronger is needed");
    default:
      return refuse("chain", who + " does not verify: " + X509_verify_cert_error_string(error));
  }
}

// Asked of every certificate of the bundle and the chain, so that the answer is about strength and not a side effect of it.
Result<void> check_strength(X509* certificate) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (auto weakness = weakness_of_key(key)) return refuse("strength", "weak key in " + called(certificate) + ": " + *weakness);
  int digest = NID_undef;
  int strength = 0;
  // Ed25519 and Ed448 name no digest; the others are judged by it.
  if (X509_get_signature_info(certificate, &digest, nullptr, &strength, nullptr) != 1) {
    return refuse("strength", "weak signature on " + called(certificate) + ": an algorithm that is not known here");
  }
  if (strength < 112) return refuse("strength", "weak signature on " + called(certificate) + ": SHA-256 or stronger is needed");
  return {};
}

Result<void> check_usage(X509* leaf) {
  if ((X509_get_extension_flags(leaf) & EXFLAG_INVALID) != 0)
    return refuse("extension", "an extension of " + called(leaf) + " is malformed");
  // X509_check_ca() alone says no of a certificate with CA:TRUE whose key usage has no keyCertSign.
  if (X509_check_ca(leaf) != 0 || (X509_get_extension_flags(leaf) & EXFLAG_CA) != 0)
    return refuse("usage", "wrong usage: an issuing certificate is not a gateway's");
  // X509_get_key_usage answers "all" when the extension is missing; the profile asks for it.
  const std::uint32_t usage = X509_get_key_usage(leaf);
  if (usage == UINT32_MAX || (usage & KU_DIGITAL_SIGNATURE) == 0) {
    return refuse("usage", "wrong usage: the certificate is not for digital signatures");
  }
  return {};
}

Result<std::vector<X509*>> trusted_path(const StoreContextPtr& context, const std::vector<OpenAnchor>& anchors,
                                        const OpenAnchor*& found) {
  std::vector<X509*> path;
  STACK_OF(X509)* built = X509_STORE_CTX_get0_chain(context.get());
  for (int i = 0; i < sk_X509_num(built); ++i) {
    path.push_back(sk_X509_value(built, i));
    for (const OpenAnchor& anchor : anchors) {
      if (X509_cmp(anchor.certificate.get(), path.back()) != 0) continue;
      found = &anchor;
      return path;
    }
  }
  return Error{Errc::internal, "the chain verified without an anchor"};
}

Result<Verified> describe(const std::vector<X509*>& path, const OpenAnchor& anchor) {
  Verified verified;
  auto leaf = read_registration(path.front());
  if (!leaf) return leaf.error();
  verified.certificate = *std::move(leaf);
  verified.level = anchor.level;
  verified.anchor_name = anchor.name;
  for (std::size_t i = 0; i < path.size(); ++i) {
    auto summary = summarise(path[i]);
    if (!summary) return summary.error();
    if (i == 1) verified.issuer_pem = summary->pem;
    if (i == 0 || summary->not_before > verified.not_before) verified.not_before = summary->not_before;
    if (i == 0 || summary->not_after < verified.not_after) {
      verified.not_after = summary->not_after;
      verified.ends_first = summary->subject;
    }
    verified.chain_subjects.push_back(std::move(summary->subject));
  }
  return verified;
}

}  // namespace

std::string_view to_string(Level level) noexcept {
  switch (level) {
    case Level::self:
      return "self";
    case Level::company:
      return "company";
    case Level::association:
      return "association";
    case Level::regulator:
      return "regulator";
  }
  return "unknown";
}

std::optional<Level> level_from_string(std::string_view text) noexcept {
  for (Level level : {Level::self, Level::company, Level::association, Level::regulator}) {
    if (to_string(level) == text) return level;
  }
  return std::nullopt;
}

Result<Verified> verify(std::string_view chain_pem, const std::vector<Anchor>& anchors) {
  auto open = open_anchors(anchors);
  if (!open) return open.error();
  auto chain = open_chain(chain_pem);
  if (!chain) return chain.error();
  X509* leaf = chain->front().get();
  for (const X509Ptr& certificate : *chain) {
    if (auto ok = check_strength(certificate.get()); !ok) return ok.error();
  }
  if (auto ok = check_usage(leaf); !ok) return ok.error();

  const StorePtr store{X509_STORE_new()};
  const StackPtr untrusted{sk_X509_new_null()};
  const StoreContextPtr context{X509_STORE_CTX_new()};
  bool good = store && untrusted && context;
  for (const OpenAnchor& anchor : *open) good = good && X509_STORE_add_cert(store.get(), anchor.certificate.get()) == 1;
  for (std::size_t i = 1; i < chain->size(); ++i) good = good && sk_X509_push(untrusted.get(), (*chain)[i].get()) > 0;
  if (!good || X509_STORE_CTX_init(context.get(), store.get(), leaf, untrusted.get()) != 1) {
    return from_openssl("couldn't prepare the check of the chain");
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  // PARTIAL_CHAIN: an anchor need not be a root. NO_CHECK_TIME: see verify.hpp.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(kMaxChain) - 2);  // counts what stands between leaf and anchor
  X509_VERIFY_PARAM_set_auth_level(parameters, 2);                           // 112 bits, as check_strength
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    (void)from_openssl("");
    return in_plain_words(error, X509_STORE_CTX_get_current_cert(context.get()));
  }
  const OpenAnchor* anchor = nullptr;
  auto path = trusted_path(context, *open, anchor);
  if (!path) return path.error();
  for (X509* certificate : *path) {
    if (auto ok = check_strength(certificate); !ok) return ok.error();
  }
  return describe(*path, *anchor);
}

Result<void> check_dates(const Verified& verified, WallTime now) {
  if (now < verified.not_before) return refuse("dates", "not valid before " + to_date(verified.not_before));
  if (now > verified.not_after) {
    if (verified.ends_first == verified.certificate.subject) return refuse("dates", "expired on " + to_date(verified.not_after));
    return refuse("dates", "its issuer \"" + verified.ends_first + "\" expired on " + to_date(verified.not_after));
  }
  const auto& registration_end = verified.certificate.claims.registration_valid_until;
  if (registration_end && now > *registration_end)
    return refuse("dates", "the registration ended on " + to_date(*registration_end));
  return {};
}

}  // namespace sanad::registration
