// What the fuzz targets stand on: a check that says where it failed, and two ways to read an input:
// as a few small values before a text, and as a text that arrives in pieces. A mutated input stays
// mostly text, so dictionaries and seeds keep their worth.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>

namespace posthorn::test {

inline void require(bool holds,
                    const std::source_location& where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: a property does not hold\n", where.file_name(),
               static_cast<unsigned>(where.line()));
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The first line of rest without its LF, or all of it; rest moves behind.
inline std::string_view take_line(std::string_view& rest) {
  const std::size_t lf = rest.find('\n');
  const std::string_view line = rest.substr(0, lf);
  rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
  return line;
}

inline bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7F;
  });
}

// The first byte says how many of the next (0 to 7) are sizes of pieces, used over and over; what
// follows is the text. Without sizes it comes whole.
class Pieces {
 public:
  explicit Pieces(std::string_view input) {
    const std::size_t count =
        input.empty()
            ? 0
            : std::min<std::size_t>(static_cast<unsigned char>(input[0]) % 8, input.size() - 1);
    sizes_ = input.substr(std::min<std::size_t>(1, input.size()), count);
    text_ = input.substr(std::min(input.size(), 1 + count));
  }

  std::string_view text() const { return text_; }

  // f(piece) for each, in order.
  template <class F>
  void each(F&& f) const {
    std::size_t at = 0;
    for (std::size_t i = 0; at < text_.size(); ++i) {
      const std::size_t size = sizes_.empty()
                                   ? text_.size()
                                   : 1U + static_cast<unsigned char>(sizes_[i % sizes_.size()]);
      const std::string_view piece = text_.substr(at, size);
      f(piece);
      at += piece.size();
    }
  }

 private:
  std::string_view sizes_;
  std::string_view text_;
};

}  // namespace posthorn::test
