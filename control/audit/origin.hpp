#pragma once
// A log's origin also says which of the gateway's records is its first: "sanad/gw-1" begins with record 0, and the log that
// followed it after its history was lost is "sanad/gw-1/from-48211". So records keep their numbers, and no two trees share an
// origin. Pure.

#include <cstdint>
#include <string>
#include <string_view>

namespace sanad::audit {

// 0 where the origin does not say.
std::uint64_t first_record_of(std::string_view origin);
// The origin of the log that takes `origin`'s place with record `index`.
std::string origin_from(std::string_view origin, std::uint64_t index);

}  // namespace sanad::audit
