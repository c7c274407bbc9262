#include "store/away.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::store {
namespace {

constexpr int kDaysMax = 365;

std::unexpected<Error> wrong(std::string_view what) {
  return fail(ErrorKind::config, std::string(what));
}

Result<> take_line(std::string_view line, Away& away) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos) return wrong(fmt::format("\"{}\" is no setting", line));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "subject") {
    away.subject = value;
    return {};
  }
  if (name == "days") {
    const auto days = to_number<int>(value);
    if (!days || *days < 1 || *days > kDaysMax)
      return wrong(fmt::format("days: 1 to {}, not \"{}\"", kDaysMax, value));
    away.every = std::chrono::days(*days);
    return {};
  }
  const auto day = parse_day(value);
  if (name != "from" && name != "to") return wrong(fmt::format("\"{}\" is no setting", name));
  if (!day) return wrong(fmt::format("\"{}\" is no day; one is written 2026-12-24", value));
  (name == "from" ? away.from : away.to) = day;
  return {};
}

}  // namespace

bool Away::holds_on(std::chrono::year_month_day day) const {
  return (!from || *from <= day) && (!to || day <= *to);
}

std::optional<std::chrono::year_month_day> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = to_number<int>(text.substr(0, 4));
  const auto month = to_number<unsigned>(text.substr(5, 2));
  const auto day = to_number<unsigned>(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return date;
}

std::string format_day(std::chrono::year_month_day day) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

std::chrono::year_month_day local_day(WallTime time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr)
    return std::chrono::floor<std::chrono::days>(time);
  return {std::chrono::year(local.tm_year + 1900),
          std::chrono::month(static_cast<unsigned>(local.tm_mon + 1)),
          std::chrono::day(static_cast<unsigned>(local.tm_mday))};
}

std::string format_away(const Away& away) {
  std::string out;
  if (away.from) out += fmt::format("from: {}\n", format_day(*away.from));
  if (away.to) out += fmt::format("to: {}\n", format_day(*away.to));
  out += fmt::format("days: {}\n", away.every.count());
  if (!away.subject.empty()) out += fmt::format("subject: {}\n", away.subject);
  return out + "\n" + away.text;
}

Result<Away> parse_away(std::string_view text) {
  Away away;
  while (!text.empty()) {
    const std::size_t lf = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, lf);
    text.remove_prefix(std::min(lf + 1, text.size()));
    if (line.empty()) break;
    TRY_OK(take_line(line, away));
  }
  if (trim(text, " \t\r\n").empty()) return wrong("there is no text to answer with");
  if (text.size() > kAwayTextMax)
    return wrong(fmt::format("the text has more than {} bytes", kAwayTextMax));
  if (!is_utf8(text) || !is_utf8(away.subject)) return wrong("the text is not UTF-8");
  if (away.from && away.to && *away.to < *away.from) return wrong("it ends before it begins");
  away.text = text;
  return away;
}

Result<std::optional<Away>> read_away(const Path& home) {
  TRY(const auto text, read_file(home / kAwayFile, 2 * kAwayTextMax));
  if (!text) return std::nullopt;
  TRY(auto away, parse_away(*text));
  return away;
}

Result<> write_away(Disk& disk, const Path& home, const Away& away) {
  const std::string text = format_away(away);
  // A subject with a line end would be read as something else.
  TRY(const auto read, parse_away(text));
  if (read != away) return wrong("the subject must be one line");
  return replace_file(disk, home / kAwayFile, text);
}

Result<> remove_away(Disk& disk, const Path& home) {
  TRY_OK(disk.remove(home / kAwayFile));
  return disk.sync_folder(home);
}

}  // namespace posthorn::store
