#include "control/audit/origin.hpp"

#include <optional>

#include "control/audit/decimal.hpp"
#include "control/audit/merkle.hpp"

namespace sanad::audit {
namespace {

constexpr std::string_view kFrom = "/from-";

std::optional<std::uint64_t> said_first(std::string_view origin, std::size_t at) {
  return at == std::string_view::npos ? std::nullopt : parse_decimal(origin.substr(at + kFrom.size()), kMaxTreeSize);
}

}  // namespace

std::uint64_t first_record_of(std::string_view origin) { return said_first(origin, origin.rfind(kFrom)).value_or(0); }

std::string origin_from(std::string_view origin, std::uint64_t index) {
  const std::size_t at = origin.rfind(kFrom);
  return std::string(said_first(origin, at) ? origin.substr(0, at) : origin) + std::string(kFrom) + std::to_string(index);
}

}  // namespace sanad::audit
