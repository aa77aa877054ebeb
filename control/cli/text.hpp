#pragma once
// Text on a terminal: how wide it is, and what of it may be shown. Pure.

#include <cstddef>
#include <string>
#include <string_view>

namespace sanad::cli {

// `text` with every control character (C0, DEL, C1), bidirectional override and byte that is not UTF-8 replaced by U+FFFD:
// what a daemon or a file says cannot move the cursor, set a title or reorder a line.
std::string safe(std::string_view text);
// The same, but line feeds stay.
std::string safe_lines(std::string_view text);

// Columns that UTF-8 `text` takes: 0 for combining marks, 2 for East Asian wide characters and emoji (Unicode UAX 11), else 1.
std::size_t display_width(std::string_view text);

// Padded with spaces, or left as it is when already wider.
std::string pad_right(std::string_view text, std::size_t columns);
std::string pad_left(std::string_view text, std::size_t columns);
// Cut to `columns`, the last of them an ellipsis when anything was cut.
std::string clip(std::string_view text, std::size_t columns);

// "Ayesha Khan" -> "ayesha-khan": for file names. Never empty, never begins with a dot or dash.
std::string slug(std::string_view text);

}  // namespace sanad::cli
