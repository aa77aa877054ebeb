// The page for the printer: what the portal asks, in its order, to be copied from.

#include <algorithm>

#include "control/registration/dossier.hpp"
#include "control/registration/standing.hpp"
#include "gateway/base/encoding.hpp"

namespace sanad::registration {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string row(std::string_view name, std::string_view value) {
  return "<tr><th>" + escaped(name) + "</th><td>" + (value.empty() ? "&mdash;" : escaped(value)) + "</td></tr>\n";
}

template <class T, class Text>
std::string joined(const std::vector<T>& values, Text text) {
  std::string out;
  for (const T& value : values) out += (out.empty() ? "" : ", ") + text(value);
  return out;
}

}  // namespace

std::string summary_html(const Answers& answers, const RegistrationClaims& claims, const std::vector<Document>& documents,
                         WallTime now) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Application for registration</title>\n<style>\n"
      "@page { size: A4; margin: 15mm }\n"
      "body { font: 10pt/1.35 sans-serif; color: #000; max-width: 180mm }\n"
      "h1 { font-size: 14pt; margin: 0 0 2mm } h2 { font-size: 11pt; margin: 4mm 0 1mm }\n"
      "table { border-collapse: collapse; width: 100% } th { text-align: left; width: 32%; font-weight: normal; color: #333 }\n"
      "th, td { border-bottom: 1px solid #ccc; padding: 0.6mm 1mm; vertical-align: top } code { font-size: 8pt; word-break: "
      "break-all }\n"
      "</style></head><body>\n";
  html += "<h1>Application for registration: " + escaped(to_string(answers.category)) + "</h1>\n<p>To " +
          escaped(answers.authority) + ", " + escaped(answers.regime) + ". Made on " + to_date(now) +
          ". Confidential: holds personal data.</p>\n";
  html += "<h2>Subscriber</h2>\n<table>\n" + row("Service provider", answers.service_provider) +
          row("Subscriber ID", answers.subscriber_id) + row("Applicant", answers.legal_name) +
          row("Company or tax number", answers.organization_identifier) + row("Country", answers.country) +
          row("CNIC / NICOP / passport", answers.representative.identity_number) + "</table>\n";
  html += "<h2>Gateway</h2>\n<table>\n" +
          row("IP addresses", joined(answers.addresses, [](const IpAddress& a) { return a.to_string(); })) +
          row("Names", joined(answers.dns_names, [](const std::string& n) { return n; })) +
          row("Ports (UDP)", joined(claims.listen_ports, [](std::uint16_t p) { return std::to_string(p); })) +
          row("VPN software", answers.software.empty() ? "Sanad, WireGuard over UDP" : answers.software) +
          row("Purpose", answers.purpose) + row("Gateway", claims.gateway_id) +
          row("Public key", claims.wireguard_key.to_base64()) + row("Reference (renewal)", answers.reference.value_or("")) +
          "</table>\n";
  html += "<h2>Designated representative</h2>\n<table>\n" + row("Name", answers.representative.name) +
          row("Position", answers.representative.position) + row("Telephone", answers.representative.telephone) +
          row("E-mail", answers.representative.email) + "</table>\n";
  html += "<h2>Documents</h2>\n<table>\n";
  for (const Document& document : documents) {
    const auto& kinds = document_kinds();
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const DocumentKind& k) { return k.name == document.kind; });
    html += "<tr><th>" + escaped(kind == kinds.end() ? std::string_view{document.kind} : kind->title) + "</th><td>" +
            escaped(document.filename) + "<br><code>SHA-256 " + hex_encode(document.sha256) + "</code></td></tr>\n";
  }
  return html + "</table>\n<p>Date: ____________________ &nbsp; Signature: ____________________</p>\n</body></html>\n";
}

}  // namespace sanad::registration
