// What is known of a message without its text: the flags of a mailbox's message (RFC 3501 section
// 2.3.2), its dates and sizes, where it stands. Numbers alone, held in memory for every message;
// what its text says is in search/facts.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace posthorn::search {

using Flags = std::uint8_t;
namespace flag {
inline constexpr Flags seen = 1;
inline constexpr Flags answered = 2;
inline constexpr Flags flagged = 4;
inline constexpr Flags deleted = 8;
inline constexpr Flags draft = 16;
// The maildir letter P (passed: forwarded or bounced on). Kept on disk; no IMAP system flag stands
// for it.
inline constexpr Flags passed = 32;
inline constexpr Flags all_imap = seen | answered | flagged | deleted | draft;
}  // namespace flag

struct Marks {
  std::uint32_t uid = 0;
  std::uint32_t sequence = 0;  // 0: it is in no session's view
  Flags flags = 0;
  bool is_recent = false;
  std::int64_t internal_date = 0;  // seconds since 1970, UTC
  std::uint64_t wire_size = 0;     // with CRLF lines, as RFC822.SIZE says it
  // Whether it has the keyword of this name, in any case; needed where asks_for_keywords() says so.
  std::function<bool(std::string_view)> has_keyword;
};

}  // namespace posthorn::search
