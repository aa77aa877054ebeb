#include "control/cli/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

namespace sanad::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kColumns[] = {"name",          "email",       "handle",    "device",     "public_key",
                                         "preshared_key", "allowed_ips", "keepalive", "expires_at", "not_before",
                                         "groups",        "note",        "interface"};

json::array list_of(std::string_view cell) {
  json::array list;
  while (!cell.empty()) {
    const std::size_t start = cell.find_first_not_of(" ;");
    if (start == std::string_view::npos) break;
    cell.remove_prefix(start);
    const std::string_view item = cell.substr(0, cell.find_first_of(" ;"));
    list.emplace_back(item);
    cell.remove_prefix(item.size());
  }
  return list;
}

void put(json::object& body, std::string_view column, const std::string& cell) {
  if (cell.empty()) return;
  if (column == "name" || column == "email" || column == "handle") {
    if (!body.contains("owner")) body["owner"] = json::object{};
    body["owner"].as_object()[column] = cell;
  } else if (column == "allowed_ips" || column == "groups") {
    body[column] = list_of(cell);
  } else if (column == "keepalive") {
    // What is no number goes on as text, so that the daemon refuses that line and names the field.
    int seconds = 0;
    const auto [end, ec] = std::from_chars(cell.data(), cell.data() + cell.size(), seconds);
    body["keepalive_s"] = ec == std::errc{} && end == cell.data() + cell.size() ? json::value(seconds) : json::value(cell);
  } else {
    body[column] = cell;
  }
}

}  // namespace

Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> record;
  std::string field;
  std::size_t line = 1;
  bool quoted = false;
  bool was_quoted = false;
  const auto wrong = [&line](std::string_view what) {
    return Error{Errc::invalid_argument, fmt::format("line {}: {}", line, what)};
  };
  const auto end_record = [&] {
    record.push_back(std::move(field));
    field.clear();
    was_quoted = false;
    if (record.size() > 1 || !record.front().empty()) records.push_back(std::move(record));
    record.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        field += '"', ++i;
      } else if (c == '"') {
        quoted = false;
      } else {
        field += c;
        line += c == '\n' ? 1 : 0;
      }
    } else if (c == '"') {
      if (!field.empty() || was_quoted) return wrong("a quote in the middle of a field");
      quoted = was_quoted = true;
    } else if (c == ',') {
      record.push_back(std::move(field));
      field.clear();
      was_quoted = false;
    } else if (c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) {
      if (c == '\r') ++i;
      end_record();
      ++line;
    } else if (was_quoted) {
      return wrong("text after a closing quote");
    } else {
      field += c;
    }
  }
  if (quoted) return wrong("a quote is never closed");
  if (!field.empty() || !record.empty() || was_quoted) end_record();
  return records;
}

Result<std::vector<std::string>> peers_of_csv(std::string_view text) {
  auto records = parse_csv(text);
  if (!records) return records.error();
  if (records->empty()) return Error{Errc::invalid_argument, "the file is empty"};
  const auto& header = records->front();
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (std::find(std::begin(kColumns), std::end(kColumns), header[i]) == std::end(kColumns)) {
      return Error{Errc::invalid_argument, fmt::format("line 1: unknown column \"{}\"", header[i]), "",
                   fmt::format("Columns: {}", fmt::join(kColumns, ", "))};
    }
    if (std::find(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(i), header[i]) !=
        header.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Error{Errc::invalid_argument, fmt::format("line 1: column \"{}\" twice", header[i])};
    }
  }
  for (const std::string_view needed : {"name", "public_key"}) {
    if (std::find(header.begin(), header.end(), needed) == header.end()) {
      return Error{Errc::invalid_argument, fmt::format("line 1: column \"{}\" is missing", needed)};
    }
  }
  std::vector<std::string> lines;
  for (std::size_t r = 1; r < records->size(); ++r) {
    const auto& record = (*records)[r];
    if (record.size() != header.size()) {
      return Error{Errc::invalid_argument,
                   fmt::format("record {} has {} fields, the header {}", r, record.size(), header.size())};
    }
    json::object body;
    for (std::size_t c = 0; c < header.size(); ++c) put(body, header[c], record[c]);
    lines.push_back(json::serialize(body));
  }
  return lines;
}

}  // namespace sanad::cli
