#include "control/registration/request.hpp"

#include <openssl/pem.h>

#include "control/registration/openssl.hpp"

namespace sanad::registration {
namespace {

struct ExtensionsFreer {
  void operator()(STACK_OF(X509_EXTENSION) * stack) const { sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free); }
};
using ExtensionsPtr = std::unique_ptr<STACK_OF(X509_EXTENSION), ExtensionsFreer>;

constexpr std::string_view kWhiteSpace = " \t\r\n";

Error invalid(std::string message) { return {Errc::invalid_argument, std::move(message), "request"}; }

Result<Sha256> fingerprint_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size < 0) return from_openssl("couldn't encode the public key");
  const Sha256 fingerprint = sha256({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return fingerprint;
}

// Subject, alternative names and registration of a certificate, copied: the request says what the certificate is to say.
bool copy_claims(X509* from, X509_REQ* to) {
  const ExtensionsPtr extensions{sk_X509_EXTENSION_new_null()};
  const ObjectPtr oid{OBJ_txt2obj(kExtensionOid, 1)};
  if (!extensions || !oid) return false;
  for (const int index : {X509_get_ext_by_NID(from, NID_subject_alt_name, -1), X509_get_ext_by_OBJ(from, oid.get(), -1)}) {
    if (index < 0) continue;
    X509ExtensionPtr copy{X509_EXTENSION_dup(X509_get_ext(from, index))};
    if (!copy || sk_X509_EXTENSION_push(extensions.get(), copy.get()) <= 0) return false;
    (void)copy.release();  // the stack owns it now
  }
  return X509_REQ_set_subject_name(to, X509_get_subject_name(from)) == 1 && X509_REQ_add_extensions(to, extensions.get()) == 1;
}

Result<X509ReqPtr> read_request(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE REQUEST-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE REQUEST-----";
  if (pem.size() > kMaxRequest) return invalid("larger than 24 KiB; no request is");
  const std::size_t first = pem.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos || !pem.substr(first).starts_with(kBegin))
    return invalid("not a certificate request: \"-----BEGIN CERTIFICATE REQUEST-----\" expected");
  const std::size_t end = pem.find(kEnd);
  if (end == std::string_view::npos) return invalid("a certificate request without its end: the file is cut off");
  if (pem.find_first_not_of(kWhiteSpace, end + kEnd.size()) != std::string_view::npos)
    return invalid("one certificate request expected, more text follows it");
  const BioPtr bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  X509ReqPtr request{bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr) : nullptr};
  if (!request) {
    (void)from_openssl("");
    return invalid("the certificate request is damaged");
  }
  return request;
}

}  // namespace

Result<std::string> make_request(const RegistrationClaims& claims, const PrivateKeyPem& key) {
  const Validity any{WallTime{0}, WallTime{1'000'000'000}};
  auto declared = issue_self(claims, key, any);
  if (!declared) return declared.error();
  auto certificate = read_certificate(*declared);
  if (!certificate) return certificate.error();
  auto own = read_private_key(key);
  if (!own) return own.error();
  const X509ReqPtr request{X509_REQ_new()};
  const BioPtr bio{BIO_new(BIO_s_mem())};
  if (!request || !bio || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), own->get()) != 1 || !copy_claims(certificate->get(), request.get()) ||
      X509_REQ_sign(request.get(), own->get(), digest_for(own->get())) == 0 ||
      PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return from_openssl("couldn't make the certificate request");
  }
  return drain(bio.get());
}

Result<CertificateRequest> parse_request(std::string_view pem) {
  auto request = read_request(pem);
  if (!request) return request.error();
  EVP_PKEY* key = X509_REQ_get0_pubkey(request->get());
  if (auto weakness = weakness_of_key(key)) return invalid("the request's key is too weak to be certified: " + *weakness);
  if (X509_REQ_verify(request->get(), key) != 1) {
    (void)from_openssl("");
    return invalid("the request's signature does not fit: it was changed, or its sender does not hold the key");
  }
  const X509Ptr carrier{X509_new()};
  const ExtensionsPtr extensions{X509_REQ_get_extensions(request->get())};
  bool good = carrier && X509_set_subject_name(carrier.get(), X509_REQ_get_subject_name(request->get())) == 1;
  for (int i = 0; good && i < sk_X509_EXTENSION_num(extensions.get()); ++i)
    good = X509_add_ext(carrier.get(), sk_X509_EXTENSION_value(extensions.get(), i), -1) == 1;
  if (!good) return from_openssl("couldn't read the certificate request");
  auto claims = read_claims(carrier.get());
  if (!claims) {
    Error error = claims.error();
    if (error.field == "extension" && error.message.find("missing") != std::string::npos)
      error.message = "not a request for a registration: the registration extension is missing";
    return error;
  }
  const BioPtr bio{BIO_new(BIO_s_mem())};
  if (!bio || PEM_write_bio_PUBKEY(bio.get(), key) != 1) return from_openssl("couldn't write the public key");
  auto fingerprint = fingerprint_of(key);
  if (!fingerprint) return fingerprint.error();
  return CertificateRequest{*std::move(claims), drain(bio.get()), *fingerprint};
}

Result<Sha256> key_fingerprint_of(std::string_view certificate_pem) {
  auto certificate = read_certificate(certificate_pem);
  if (!certificate) return certificate.error();
  EVP_PKEY* key = X509_get0_pubkey(certificate->get());
  if (key == nullptr) {
    (void)from_openssl("");
    return Error{Errc::invalid_argument, "the certificate's key cannot be read", "certificate"};
  }
  return fingerprint_of(key);
}

}  // namespace sanad::registration
