// UTF-8 as RFC 3629 section 4 allows it: no overlong form, no surrogate, nothing beyond U+10FFFF.
// Whoever shows, stores or passes on a stranger's text asks here whether it is valid.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace posthorn {

// The length of the sequence at the front of text, which is not empty; 0: it is not valid.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

// Takes the code point at the front of text, which is not empty; nullopt: it is not valid.
std::optional<char32_t> take_code_point(std::string_view& text);
void append_code_point(std::string& out, char32_t point);
// Does valid text begin with one of U+0080 to U+009F? A terminal obeys them as it does ESC.
bool is_c1_control(std::string_view text);

}  // namespace posthorn
