#include "gateway/base/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sanad {
namespace {

template <class Int>
bool parse_decimal(std::string_view text, Int max, Int& out) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  unsigned long value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || value > max) return false;
  out = static_cast<Int>(value);
  return true;
}

// Copies of text that came from outside are shortened, so that an error stays one readable line.
std::string quoted(std::string_view text) { return "\"" + std::string(text.substr(0, 64)) + "\""; }

Error bad(std::string_view what, std::string_view text) {
  return Error{Errc::invalid_argument, quoted(text) + " is not " + std::string(what)};
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return bad("an IP address", text);
  const std::string zero_terminated(text);
  IpAddress a;
  if (text.find(':') != std::string_view::npos) {
    a.family_ = Family::v6;
    if (inet_pton(AF_INET6, zero_terminated.c_str(), a.bytes_.data()) == 1) return a;
  } else if (inet_pton(AF_INET, zero_terminated.c_str(), a.bytes_.data()) == 1) {
    return a;
  }
  return bad("an IP address", text);
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
  return text;
}

IpAddress IpAddress::plus(std::uint64_t offset) const {
  IpAddress a = *this;
  std::uint64_t carry = offset;
  for (std::size_t i = bytes().size(); i-- > 0 && carry != 0;) {
    const std::uint64_t sum = a.bytes_[i] + (carry & 0xffU);
    a.bytes_[i] = static_cast<std::uint8_t>(sum & 0xffU);
    carry = (carry >> 8U) + (sum >> 8U);
  }
  return a;
}

IpPrefix::IpPrefix(IpAddress address, std::uint8_t length) : length_(std::min(length, address.max_prefix())) {
  if (length_ == address.max_prefix()) {  // nearly every allowed IP there is
    address_ = address;
    return;
  }
  std::array<std::uint8_t, 16> masked{};
  const auto in = address.bytes();
  std::copy(in.begin(), in.end(), masked.begin());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int keep = std::clamp(static_cast<int>(length_) - static_cast<int>(i) * 8, 0, 8);
    masked[i] = static_cast<std::uint8_t>(masked[i] & (0xff00U >> static_cast<unsigned>(keep)));
  }
  address_ = address.is_v4() ? IpAddress::v4(std::span<const std::uint8_t, 4>(masked.data(), 4)) : IpAddress::v6(masked);
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return bad("an address or prefix", text);
  if (slash == std::string_view::npos) return host(*address);
  std::uint8_t length = 0;
  if (!parse_decimal<std::uint8_t>(text.substr(slash + 1), address->max_prefix(), length))
    return bad("an address or prefix", text);
  IpPrefix prefix{*address, length};
  if (prefix.address() != *address)
    return Error{Errc::invalid_argument,
                 quoted(text) + " has bits set behind the prefix; write " + prefix.to_string() + " or " + address->to_string()};
  return prefix;
}

bool IpPrefix::contains(const IpAddress& a) const {
  return a.family() == address_.family() && IpPrefix{a, length_}.address_ == address_;
}

bool IpPrefix::contains(const IpPrefix& p) const { return p.length_ >= length_ && contains(p.address_); }

IpAddress IpPrefix::last() const {
  std::array<std::uint8_t, 16> bytes{};
  const auto in = address_.bytes();
  for (std::size_t i = 0; i < in.size(); ++i) {
    const int keep = std::clamp(static_cast<int>(length_) - static_cast<int>(i) * 8, 0, 8);
    bytes[i] = static_cast<std::uint8_t>(in[i] | (0xffU >> static_cast<unsigned>(keep)));
  }
  return address_.is_v4() ? IpAddress::v4(std::span<const std::uint8_t, 4>(bytes.data(), 4)) : IpAddress::v6(bytes);
}

std::string IpPrefix::to_string() const { return address_.to_string() + "/" + std::to_string(length_); }

Result<InterfaceAddress> InterfaceAddress::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return bad("an interface address with its prefix length, as 10.66.0.1/16", text);
  auto address = IpAddress::parse(text.substr(0, slash));
  InterfaceAddress out;
  if (!address || !parse_decimal<std::uint8_t>(text.substr(slash + 1), address->max_prefix(), out.length))
    return bad("an interface address with its prefix length, as 10.66.0.1/16", text);
  out.address = *address;
  return out;
}

std::string InterfaceAddress::to_string() const { return address.to_string() + "/" + std::to_string(length); }

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad("an address and port, as 192.0.2.1:51820 or [2001:db8::1]:51820", text);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto address = IpAddress::parse(host);
  Endpoint out;
  if (!address || address->is_v4() == bracketed || !parse_decimal<std::uint16_t>(text.substr(colon + 1), 65535, out.port) ||
      out.port == 0)
    return bad("an address and port, as 192.0.2.1:51820 or [2001:db8::1]:51820", text);
  out.address = *address;
  return out;
}

std::string Endpoint::to_string() const {
  return (address.is_v4() ? address.to_string() : "[" + address.to_string() + "]") + ":" + std::to_string(port);
}

}  // namespace sanad
