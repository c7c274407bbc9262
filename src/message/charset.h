// Charsets of mail to UTF-8, and text folded for searching (RFC 2047, RFC 5051), with ICU. A
// charset's name is a stranger's text: it is checked before ICU sees it, and what is no charset of
// mail, or a way to hide ASCII from filters (UTF-7 and its kin), is refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::message {

inline constexpr std::size_t kCharsetNameMax = 64;
inline constexpr std::size_t kConvertMax = 64U << 20U;  // bytes in one call

// Always valid UTF-8: what cannot be read becomes U+FFFD. nullopt: a charset that is unknown or
// refused, or more than kConvertMax bytes. A language behind the name (RFC 2231 section 5,
// "utf-8*en") is cut off. Safe from any thread.
std::optional<std::string> to_utf8(std::string_view bytes, std::string_view charset);

// True if to_utf8 would take it; SEARCH answers [BADCHARSET] otherwise (RFC 3501 section 6.4.4).
bool is_charset(std::string_view name);

// Two texts that a reader takes for the same become the same bytes: letters without case, full and
// half width and ligatures made plain, accents behind their letters in one order (so "cafe" is
// found in "café"), soft hyphens and joiners gone. Invalid UTF-8 becomes U+FFFD.
std::string fold_for_search(std::string_view utf8);

// RFC 5051 section 2: two texts are equal by i;unicode-casemap if this makes the same bytes of
// them, and ordered as these are. Letter by letter: what stands behind one changes nothing. Bytes
// that are no UTF-8 stay.
std::string fold_unicode_casemap(std::string_view utf8);

}  // namespace posthorn::message
