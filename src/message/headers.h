// The header of a message, found while its bytes stream by, and looked at afterwards (RFC 5322
// section 2.2). Tolerant, as Dovecot and Postfix are: LF or CRLF lines; a line that is no field (an
// mbox "From " line, ">From ", a word without a colon, a name that is not ASCII, a folded first
// line) stands in the header and is passed over: only the empty line ends it. Bounded: 10 MiB of
// header, what is beyond counts as body; of more than 10 000 fields the first are looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"

namespace posthorn::message {

inline constexpr std::size_t kHeaderMax = 10U << 20U;
inline constexpr std::size_t kFieldsMax = 10'000;

struct Field {
  std::string_view name;   // "Subject"
  std::string_view value;  // raw, folded, without the final line end, from behind the colon
  std::string_view raw;    // the whole field with its line ends
};

// Views into a header block that outlives it.
class Headers {
 public:
  Headers() = default;
  explicit Headers(std::string_view block);

  const std::vector<Field>& fields() const { return fields_; }
  // The first of the name, in any case; the value unfolded and trimmed.
  std::optional<std::string> find(std::string_view name) const;
  std::vector<std::string> find_all(std::string_view name) const;
  bool has(std::string_view name) const { return find_field(name) != nullptr; }
  std::size_t count(std::string_view name) const;
  const Field* find_field(std::string_view name) const;
  // The block without the fields for which drop(field) is true; the lines that are no field stay.
  template <class Drop>
  std::string without(const Drop& drop) const {
    std::string out;
    out.reserve(block_.size());
    std::size_t at = 0;
    for (const Field& field : fields_) {
      const auto begin = static_cast<std::size_t>(field.raw.data() - block_.data());
      out += block_.substr(at, begin - at);
      if (!drop(field)) out += field.raw;
      at = begin + field.raw.size();
    }
    return out += block_.substr(at);
  }

 private:
  std::string_view block_;
  std::vector<Field> fields_;
};

// Line ends of folding removed (RFC 5322 section 2.2.3), outer white space trimmed.
std::string unfold(std::string_view value);
using posthorn::equals_ignoring_case;

enum class Input { whole, beginning };  // of a text that more comes of, or not

// The length of the header block at the front of text, with the empty line behind it; nullopt: it
// is not whole yet. body_begin: where the body begins, behind the empty line.
struct HeaderEnd {
  std::size_t header_size = 0;  // without the empty line
  std::size_t body_begin = 0;
};
std::optional<HeaderEnd> find_header_end(std::string_view text, Input input);

// "Name: value", with its line end or without.
bool is_field_line(std::string_view line);

// The same question of one line (with its line end) that stands `at` bytes behind the header's
// beginning, all lines before it being header; nullopt: it belongs to the header.
std::optional<HeaderEnd> find_end_at_line(std::string_view line, std::size_t at);

// Gathers the header of a message that comes in pieces; no byte of the body is kept.
class HeaderCollector {
 public:
  // True once the header is whole; the rest of the pieces need not be fed.
  bool feed(std::string_view piece);
  void finish();  // the message ended
  bool is_whole() const { return whole_; }
  const std::string& block() const { return block_; }

 private:
  std::string block_;
  std::size_t line_ = 0;  // where the last line begins, the only one that may not be whole
  bool whole_ = false;
};

}  // namespace posthorn::message
