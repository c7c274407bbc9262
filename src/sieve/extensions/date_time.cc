#include "sieve/extensions/date_time.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <vector>

#include "base/ascii.h"

namespace posthorn::sieve {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
// RFC 5322 section 4.3; other names say nothing that can be relied on: UTC.
constexpr std::pair<std::string_view, int> kZones[] = {{"EST", -300}, {"EDT", -240}, {"CST", -360},
                                                       {"CDT", -300}, {"MST", -420}, {"MDT", -360},
                                                       {"PST", -480}, {"PDT", -420}};

// Words, with commas as blanks and comments gone.
std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::size_t kWordsMax = 16;
  std::vector<std::string_view> words;
  std::size_t depth = 0, begin = std::string_view::npos;
  const auto end_word = [&](std::size_t at) {
    if (begin != std::string_view::npos && words.size() < kWordsMax)
      words.push_back(text.substr(begin, at - begin));
    begin = std::string_view::npos;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_between = c == '(' || c == ')' || depth > 0 || c == ',' || c == ' ' ||
                            c == '\t' || c == '\r' || c == '\n';
    if (is_between)
      end_word(i);
    else if (begin == std::string_view::npos)
      begin = i;
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
  }
  end_word(text.size());
  return words;
}

std::optional<unsigned> number_up_to(std::string_view text, unsigned max) {
  const auto number = to_number<unsigned>(text);
  return number && *number <= max ? number : std::nullopt;
}

std::optional<seconds> parse_time(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find(':', first + 1);
  const auto hour = number_up_to(text.substr(0, first), 23);
  const auto minute = number_up_to(text.substr(first + 1, second - first - 1), 59);
  const auto rest = second == std::string_view::npos ? std::optional(0U)
                                                     : number_up_to(text.substr(second + 1), 60);
  if (!hour || !minute || !rest) return std::nullopt;
  return hours(*hour) + minutes(*minute) + seconds(*rest);
}

minutes zone_of(std::string_view text) {
  if (const auto zone = parse_zone(text)) return *zone;
  for (const auto& [name, offset] : kZones)
    if (equals_ignoring_case(name, text)) return minutes(offset);
  return {};
}

std::optional<year> parse_year(std::string_view text) {
  const auto number = number_up_to(text, 9999);
  if (!number || text.size() < 2) return std::nullopt;
  // RFC 5322 section 4.3.
  const unsigned offset =
      text.size() == 2 ? (*number < 50 ? 2000 : 1900) : (text.size() == 3 ? 1900U : 0U);
  return year(static_cast<int>(*number + offset));
}

// As a clock in its zone shows it.
struct Local {
  explicit Local(const DateTime& when)
      : time(when.time + when.zone),
        days(floor<std::chrono::days>(time)),
        date(days),
        of_day(time - days) {}
  sys_seconds time;
  sys_days days;
  year_month_day date;
  hh_mm_ss<seconds> of_day;
};

std::string zone_text(minutes zone, std::string_view between) {
  const auto size = abs(zone).count();
  return fmt::format("{}{:02}{}{:02}", zone < minutes(0) ? '-' : '+', size / 60, between,
                     size % 60);
}

std::string date_text(const DateTime& when) {
  const Local local(when);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(local.date.year()),
                     static_cast<unsigned>(local.date.month()),
                     static_cast<unsigned>(local.date.day()));
}

std::string time_text(const DateTime& when) {
  const Local local(when);
  return fmt::format("{:02}:{:02}:{:02}", local.of_day.hours().count(),
                     local.of_day.minutes().count(), local.of_day.seconds().count());
}

std::string std11(const DateTime& when) {
  const Local local(when);
  return fmt::format("{}, {:02} {} {:04} {} {}", kDays[weekday(local.days).c_encoding()],
                     static_cast<unsigned>(local.date.day()),
                     kMonths[static_cast<unsigned>(local.date.month()) - 1],
                     static_cast<int>(local.date.year()), time_text(when),
                     zone_text(when.zone, ""));
}

// Section 4.2: days since November 17, 1858.
std::string julian(const DateTime& when) {
  constexpr sys_days kFirst = year(1858) / November / 17;
  return std::to_string((Local(when).days - kFirst).count());
}

std::string two_digits(auto number) {
  return fmt::format("{:02}", number);
}

constexpr std::pair<std::string_view, DatePart> kParts[] = {
    {"year",
     [](const DateTime& when) {
       return fmt::format("{:04}", static_cast<int>(Local(when).date.year()));
     }},
    {"month",
     [](const DateTime& when) {
       return two_digits(static_cast<unsigned>(Local(when).date.month()));
     }},
    {"day",
     [](const DateTime& when) {
       return two_digits(static_cast<unsigned>(Local(when).date.day()));
     }},
    {"date", date_text},
    {"julian", julian},
    {"hour", [](const DateTime& when) { return two_digits(Local(when).of_day.hours().count()); }},
    {"minute",
     [](const DateTime& when) { return two_digits(Local(when).of_day.minutes().count()); }},
    {"second",
     [](const DateTime& when) { return two_digits(Local(when).of_day.seconds().count()); }},
    {"time", time_text},
    {"iso8601",
     [](const DateTime& when) {
       return date_text(when) + "T" + time_text(when) + zone_text(when.zone, ":");
     }},
    {"std11", std11},
    {"zone", [](const DateTime& when) { return zone_text(when.zone, ""); }},
    {"weekday",
     [](const DateTime& when) { return std::to_string(weekday(Local(when).days).c_encoding()); }}};

}  // namespace

std::optional<DateTime> parse_date_time(std::string_view text) {
  const auto words = words_of(text);
  std::size_t at = 0;
  // The day of the week may be missing, or wrong.
  if (at < words.size() &&
      std::ranges::any_of(
          kDays,
          [&](std::string_view day) { return equals_ignoring_case(words[at].substr(0, 3), day); }))
    ++at;
  if (words.size() < at + 4) return std::nullopt;
  const auto day_number = number_up_to(words[at], 31);
  const auto month_found = std::ranges::find_if(
      kMonths, [&](std::string_view month) { return equals_ignoring_case(words[at + 1], month); });
  const auto year_read = parse_year(words[at + 2]);
  const auto time = parse_time(words[at + 3]);
  if (!day_number || month_found == kMonths.end() || !year_read || !time) return std::nullopt;
  const auto month_number = static_cast<unsigned>(month_found - kMonths.begin()) + 1;
  const year_month_day date(*year_read, month(month_number), day(*day_number));
  if (!date.ok()) return std::nullopt;
  DateTime when;
  if (words.size() > at + 4) when.zone = zone_of(words[at + 4]);
  when.time = sys_days(date) + *time - when.zone;
  return when;
}

std::optional<minutes> parse_zone(std::string_view text) {
  if (text.size() != 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto hour = number_up_to(text.substr(1, 2), 99);
  const auto minute = number_up_to(text.substr(3), 59);
  if (!hour || !minute) return std::nullopt;
  const minutes size = hours(*hour) + minutes(*minute);
  return text[0] == '-' ? -size : size;
}

DatePart find_date_part(std::string_view name) {
  for (const auto& [part, text] : kParts)
    if (equals_ignoring_case(part, name)) return text;
  return nullptr;
}

}  // namespace posthorn::sieve
