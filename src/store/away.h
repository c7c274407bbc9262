// Away: what `posthorn vacation` has set for an account: that mail is answered, with which words
// and from when to when. It lies in the account's home and goes with it; scripts are beside it and
// stay as they are.
//
//   posthorn-vacation   "from: 2026-12-01", "to: 2026-12-24", "days: 7", "subject: …", each on a
//                       line or not there; an empty line; the text, UTF-8
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::store {

inline constexpr std::string_view kAwayFile = "posthorn-vacation";
inline constexpr std::size_t kAwayTextMax = 16'000;  // bytes

struct Away {
  std::string text;
  std::string subject = {};                                       // empty: made of the message's
  std::optional<std::chrono::year_month_day> from = {}, to = {};  // both days are in it
  std::chrono::days every{7};  // how often one sender is answered
  bool operator==(const Away&) const = default;
  // day: of local time.
  bool holds_on(std::chrono::year_month_day day) const;
};

// "2026-12-24"; nullopt: no such day.
std::optional<std::chrono::year_month_day> parse_day(std::string_view text);
std::string format_day(std::chrono::year_month_day day);
std::chrono::year_month_day local_day(WallTime time);

std::string format_away(const Away& away);
// An Error (config) says what is wrong with the text.
Result<Away> parse_away(std::string_view text);

// home: of the account. nullopt: none is set. Blocks.
Result<std::optional<Away>> read_away(const Path& home);
Result<> write_away(Disk& disk, const Path& home, const Away& away);
Result<> remove_away(Disk& disk, const Path& home);

}  // namespace posthorn::store
