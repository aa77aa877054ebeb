#include "gateway/base/url.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/base/ip.hpp"

namespace sanad {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool all_of(std::string_view text, std::string_view also) {
  return std::all_of(text.begin(), text.end(), [also](char c) { return is_alnum(c) || also.find(c) != std::string_view::npos; });
}

Error refused(std::string why) { return {Errc::invalid_argument, "not an http or https URL: " + std::move(why)}; }

}  // namespace

Result<HttpUrl> parse_http_url(std::string_view text) {
  if (text.size() > kMaxUrl) return refused("longer than " + std::to_string(kMaxUrl) + " bytes");
  HttpUrl url;
  if (text.starts_with("https://")) {
    url.tls = true;
  } else if (!text.starts_with("http://")) {
    return refused("it does not begin with http:// or https://");
  }
  text.remove_prefix(text.find("//") + 2);
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  std::string_view path = text.substr(slash);
  if (path.ends_with('/')) path.remove_suffix(1);
  // RFC 3986 section 3.3, pchar and '/'.
  if (!all_of(path, "/-._~%!$&'()*+,;=:@")) return refused("a character that is none of a path's");
  url.path = path;

  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return refused("no closing bracket");
    url.host = authority.substr(1, end - 1);
    const auto address = IpAddress::parse(url.host);
    if (!address || address->is_v4()) return refused("not an IPv6 address inside the brackets");
    authority.remove_prefix(end + 1);
  } else {
    url.host = authority.substr(0, authority.find(':'));
    authority.remove_prefix(url.host.size());
    if (url.host.empty() || url.host.size() > 253 || !all_of(url.host, "-.") || url.host.starts_with('-') ||
        url.host.starts_with('.')) {
      return refused("no host, or one that is neither a name nor an address");
    }
  }
  url.port = url.tls ? kHttpsPort : kHttpPort;
  if (authority.empty()) return url;
  const char* const end = authority.data() + authority.size();
  const auto [rest, error] = std::from_chars(authority.data() + 1, end, url.port);
  if (authority.front() != ':' || authority.size() < 2 || authority[1] == '0' || error != std::errc{} || rest != end)
    return refused("the port must be 1 to 65535");
  return url;
}

std::string host_field(const HttpUrl& url) {
  std::string field = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  if (url.port != (url.tls ? kHttpsPort : kHttpPort)) field += ":" + std::to_string(url.port);
  return field;
}

}  // namespace sanad
