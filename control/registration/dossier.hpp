#pragma once
// The application's papers: what an authority asks, by category; the answers, read and checked; what is written from them.
// Personal values (CNIC, telephone) live in the answers, the summary and the encrypted dossier only: never in request,
// certificate or record. Pure: the documents' bytes are handed in.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/registration/claims.hpp"
#include "gateway/base/sha256.hpp"

namespace sanad::registration {

inline constexpr std::size_t kMaxAnswersFile = 64 * 1024;        // bytes
inline constexpr std::size_t kMaxDocument = 20 * 1024 * 1024;    // bytes of one document
inline constexpr std::size_t kMaxDocuments = 100 * 1024 * 1024;  // bytes of all

struct Answers {
  Category category = Category::company;
  std::string legal_name;
  std::string organization_identifier;
  std::string country;
  std::string authority;
  std::string regime;
  std::optional<std::string> reference;  // of a registration that is renewed
  std::string purpose;
  std::string service_provider;
  std::string subscriber_id;  // as the service provider issued it
  std::vector<IpAddress> addresses;
  std::vector<std::string> dns_names;
  std::vector<std::uint16_t> listen_ports;  // empty: the configuration's
  std::string gateway_id;                   // empty: the configuration's
  std::string software;
  struct Representative {
    std::string name;
    std::string position;
    std::string identity_number;  // CNIC, NICOP or passport
    std::string telephone;
    std::string email;
  } representative;
  std::map<std::string, std::filesystem::path> documents;  // by kind: "cnic_front"; relative to the answers' file
};

struct DocumentKind {
  std::string_view name;   // "cnic_front"
  std::string_view title;  // "CNIC of the applicant, front"
};
// All kinds there are, in the portal's order.
const std::vector<DocumentKind>& document_kinds();
// What this application must bring: each inner list is a choice of one. Five addresses and more need the receipt of the fee.
std::vector<std::vector<std::string_view>> needed_documents(Category category, std::size_t addresses);

// What the person who fills it in is asked, in the portal's order; `answers.yaml` has the same keys.
struct Question {
  std::string_view key;  // "representative.name"
  std::string_view prompt;
  std::string_view example;
  bool optional = false;
  bool list = false;  // several, separated by commas
};
std::vector<Question> questions_for(Category category, std::size_t addresses);

// invalid_argument: every error of the file at once, "file:line:column: key: message".
Result<Answers> parse_answers(std::string_view text, std::string_view filename);
// The text of an answers file from answers by key; quoted, so that any text is safe. For the questions asked at a terminal.
std::string answers_text(const std::map<std::string, std::string>& by_key);

// What is missing or cannot be right, whatever the host: a plain sentence each.
std::vector<std::string> shortcomings(const Answers& answers);

// What the request will say. Ports and gateway id must have been filled in. invalid_argument as check_claims.
Result<RegistrationClaims> claims_from(const Answers& answers, const wg::PublicKey& wireguard_key);

struct Document {
  std::string kind;
  std::string filename;  // without its directories
  Sha256 sha256{};
  std::size_t size = 0;
};

// dossier/index.json: what is in the archive, each with its hash.
std::string index_json(const RegistrationClaims& claims, const std::vector<Document>& documents, const Sha256& request,
                       WallTime now);
// One printable page in the portal's field order. Holds personal values.
std::string summary_html(const Answers& answers, const RegistrationClaims& claims, const std::vector<Document>& documents,
                         WallTime now);

// What of a certificate is not what the request asked for; reference and dates are the issuer's to add.
std::vector<std::string> differences(const RegistrationClaims& asked, const RegistrationClaims& certified);

}  // namespace sanad::registration
