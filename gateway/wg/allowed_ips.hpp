#pragma once
// The allowed IPs of a peer. Nearly every peer has one or two, and a gateway may have 2^20 peers: those lie in the value itself.

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "gateway/base/ip.hpp"

namespace sanad::wg {

// A list in the order it was given, like a vector; equal when the same prefixes come in the same order.
class AllowedIps {
 public:
  using value_type = IpPrefix;
  using const_iterator = const IpPrefix*;
  using iterator = IpPrefix*;
  using size_type = std::size_t;

  AllowedIps() = default;
  AllowedIps(std::initializer_list<IpPrefix> prefixes) { append({prefixes.begin(), prefixes.size()}); }
  AllowedIps(const std::vector<IpPrefix>& prefixes) { append(prefixes); }  // NOLINT(google-explicit-constructor): the same list
  AllowedIps(const AllowedIps& other) { append(other.all()); }
  AllowedIps& operator=(const AllowedIps& other) {
    if (this != &other) *this = AllowedIps(other);
    return *this;
  }
  AllowedIps(AllowedIps&& other) noexcept = default;
  AllowedIps& operator=(AllowedIps&& other) noexcept = default;
  ~AllowedIps() = default;

  [[nodiscard]] std::span<const IpPrefix> all() const {
    return many_ ? std::span<const IpPrefix>(*many_) : std::span<const IpPrefix>(few_.data(), count_);
  }
  [[nodiscard]] std::size_t size() const { return many_ ? many_->size() : count_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] const IpPrefix* begin() const { return all().data(); }
  [[nodiscard]] const IpPrefix* end() const { return all().data() + size(); }
  IpPrefix* begin() { return many_ ? many_->data() : few_.data(); }
  IpPrefix* end() { return begin() + size(); }
  const IpPrefix& operator[](std::size_t i) const { return all()[i]; }

  void push_back(const IpPrefix& prefix) {
    if (many_) {
      many_->push_back(prefix);
    } else if (count_ < kFew) {
      few_[count_++] = prefix;
    } else {
      many_ = std::make_unique<std::vector<IpPrefix>>(few_.begin(), few_.end());
      many_->push_back(prefix);
    }
  }
  void pop_back() {
    if (many_)
      many_->pop_back();
    else
      --count_;
  }
  void append(std::span<const IpPrefix> prefixes) {
    if (!many_ && size() + prefixes.size() > kFew) {
      auto grown = std::make_unique<std::vector<IpPrefix>>();
      grown->reserve(size() + prefixes.size());
      grown->assign(begin(), end());
      many_ = std::move(grown);
    }
    for (const IpPrefix& prefix : prefixes) push_back(prefix);
  }
  void clear() { *this = AllowedIps(); }
  [[nodiscard]] std::vector<IpPrefix> to_vector() const { return {begin(), end()}; }

  bool operator==(const AllowedIps& other) const { return size() == other.size() && std::equal(begin(), end(), other.begin()); }

 private:
  static constexpr std::size_t kFew = 2;  // one IPv4 and one IPv6 address

  std::unique_ptr<std::vector<IpPrefix>> many_;  // unset: few_ has them
  std::array<IpPrefix, kFew> few_{};
  std::uint8_t count_ = 0;
};

}  // namespace sanad::wg
