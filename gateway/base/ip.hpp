#pragma once
// Addresses as values: an IPv4 or IPv6 address, a prefix, an endpoint. No name resolution anywhere.

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gateway/base/result.hpp"

namespace sanad {

class IpAddress {
 public:
  enum class Family : std::uint8_t { v4 = 4, v6 = 6 };

  IpAddress() = default;                                         // 0.0.0.0
  static IpAddress v4(std::span<const std::uint8_t, 4> bytes) {  // network order
    IpAddress a;
    std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
    return a;
  }
  static IpAddress v6(std::span<const std::uint8_t, 16> bytes) {
    IpAddress a;
    a.family_ = Family::v6;
    std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
    return a;
  }
  // Dotted quad or RFC 4291 text; no zone, no brackets, no leading zeros (inet_pton).
  static Result<IpAddress> parse(std::string_view text);

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == Family::v4; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), is_v4() ? 4U : 16U}; }
  [[nodiscard]] std::uint8_t max_prefix() const { return is_v4() ? 32 : 128; }
  [[nodiscard]] std::string to_string() const;  // RFC 5952
  // The address `offset` above this one; wraps silently past the end of the family (callers stay inside a prefix).
  [[nodiscard]] IpAddress plus(std::uint64_t offset) const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> bytes_{};
};

// An address block. Host bits are always zero.
class IpPrefix {
 public:
  IpPrefix() = default;
  IpPrefix(IpAddress address, std::uint8_t length);  // masks host bits; length is clamped to the family
  static IpPrefix host(const IpAddress& a) { return {a, a.max_prefix()}; }
  // "10.0.0.0/8" or a bare address (a host prefix). Set host bits are refused: "10.0.0.1/8" has two readings.
  static Result<IpPrefix> parse(std::string_view text);

  [[nodiscard]] const IpAddress& address() const { return address_; }
  [[nodiscard]] std::uint8_t length() const { return length_; }
  [[nodiscard]] bool is_host() const { return length_ == address_.max_prefix(); }
  [[nodiscard]] bool contains(const IpAddress& a) const;
  [[nodiscard]] bool contains(const IpPrefix& p) const;
  [[nodiscard]] bool overlaps(const IpPrefix& p) const { return contains(p) || p.contains(*this); }
  [[nodiscard]] IpAddress last() const;
  [[nodiscard]] std::string to_string() const;  // always with "/n"

  auto operator<=>(const IpPrefix&) const = default;

 private:
  IpAddress address_;
  std::uint8_t length_ = 0;
};

// An address as an interface carries it: the host bits matter ("10.66.0.1/16").
struct InterfaceAddress {
  IpAddress address;
  std::uint8_t length = 0;
  static Result<InterfaceAddress> parse(std::string_view text);  // the "/n" is required
  [[nodiscard]] IpPrefix network() const { return {address, length}; }
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const InterfaceAddress&) const = default;
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  // "192.0.2.1:51820" or "[2001:db8::1]:51820"; port 1..65535.
  static Result<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace sanad
