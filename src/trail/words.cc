#include "trail/words.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::trail {
namespace {

constexpr std::size_t kNamesMax = 5;

std::tm local(WallTime at) {
  // Not by way of system_clock, whose years end in 2262: a record may say any.
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
  std::tm tm{};
  if (localtime_r(&seconds, &tm) == nullptr) tm = {};
  return tm;
}

// Unicode's marks and overrides of direction: by them a stranger's name could show a line that
// says something else.
bool is_direction(std::string_view text) {
  std::string_view rest = text;
  const auto point = take_code_point(rest);
  return point && (*point == 0x061C || *point == 0x200E || *point == 0x200F || *point == 0x2028 ||
                   *point == 0x2029 || (*point >= 0x202A && *point <= 0x202E) ||
                   (*point >= 0x2066 && *point <= 0x2069));
}

// "2026-11-21T04:26:46.123Z"
std::optional<WallTime> parse_log_time(std::string_view text) {
  if (text.size() < 20 || text.size() > 32) return std::nullopt;
  std::tm tm{};
  const std::string copy(text);
  const char* end = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (end == nullptr || (*end != '.' && *end != 'Z')) return std::nullopt;
  const std::time_t seconds = ::timegm(&tm);
  return WallTime(std::chrono::seconds(seconds));
}

}  // namespace

std::string local_day(WallTime at) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::tm tm = local(at);
  return fmt::format("{} {} {} {}", kDays[static_cast<std::size_t>(tm.tm_wday)], tm.tm_mday,
                     kMonths[static_cast<std::size_t>(tm.tm_mon)], tm.tm_year + 1900L);
}

std::string local_time(WallTime at) {
  const std::tm tm = local(at);
  return fmt::format("{:02}:{:02}:{:02}", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

std::string local_time(WallTime at, WallTime today) {
  const std::string day = local_day(at);
  return (day == local_day(today) ? "" : day + " ") + local_time(at);
}

std::string format_span(std::chrono::milliseconds span) {
  const auto seconds = std::max<std::int64_t>(span.count() / 1000, 0);
  if (seconds >= 86'400) return fmt::format("{}d {}h", seconds / 86'400, seconds % 86'400 / 3600);
  if (seconds >= 3600) return fmt::format("{}h {}m", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
  if (seconds >= 10 || span.count() % 1000 == 0) return fmt::format("{}s", seconds);
  return fmt::format("{:.1f}s",
                     static_cast<double>(std::max<std::int64_t>(span.count(), 0)) / 1000);
}

std::string clean_text(std::string_view text, std::size_t size_max) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    const bool is_bad =
        length == 0 || c < ' ' || c == 0x7F || is_c1_control(text) || is_direction(text);
    if (out.size() + std::max<std::size_t>(length, 1) > size_max) return out + "…";
    if (is_bad)
      out += c == '\t' || c == '\n' || c == '\r' ? ' ' : '?';
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string quote_text(std::string_view text) {
  std::string inside = clean_text(text);
  std::ranges::replace(inside, '"', '\'');
  return "\"" + inside + "\"";
}

std::string clean_name(std::string_view text) {
  const bool is_one_word = std::ranges::none_of(text, [](char c) {
    return c == ' ' || c == '\t' || c == '"' || c == ',' || c == '(' || c == ')';
  });
  return is_one_word ? clean_text(text) : quote_text(text);
}

std::string_view Words::get(std::string_view key) const {
  const std::string_view value = record_->get(key);
  return value == "-" ? std::string_view() : value;
}

bool Words::is_told(std::string_view key) const {
  return std::ranges::any_of(record_->details, [&](const auto& one) { return one.first == key; });
}

std::string Words::name(std::string_view key, std::string_view without) const {
  std::string_view value = get(key);
  if (value.size() > 2 && value.starts_with('<') && value.ends_with('>'))
    value = value.substr(1, value.size() - 2);
  return value.empty() ? std::string(without) : clean_name(value);
}

std::string Words::names(std::string_view key, std::string_view without) const {
  std::vector<std::string> all;
  std::string_view rest = get(key);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) all.push_back(clean_name(rest.substr(0, comma)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (all.empty()) return std::string(without);
  const std::size_t left_out = all.size() > kNamesMax ? all.size() - kNamesMax : 0;
  all.resize(all.size() - left_out);
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_last = i + 1 == all.size() && left_out == 0;
    out += (i == 0 ? "" : is_last ? " and " : ", ") + all[i];
  }
  return left_out == 0 ? out : fmt::format("{} and {} more", out, left_out);
}

std::string Words::sender(std::string_view key) const {
  return name(key, "<>");
}

std::string Words::with(std::string_view before, std::string_view key,
                        std::string_view behind) const {
  return has(key) ? fmt::format("{}{}{}", before, clean_name(get(key)), behind) : "";
}

std::string Words::quoted(std::string_view before, std::string_view key,
                          std::string_view behind) const {
  return has(key) ? fmt::format("{}{}{}", before, quote_text(get(key)), behind) : "";
}

std::string Words::span(std::string_view before, std::string_view key) const {
  const auto ms = to_number<std::int64_t>(get(key));
  return ms ? fmt::format("{}{}", before, format_span(std::chrono::milliseconds(*ms))) : "";
}

std::string Words::client() const {
  const std::string_view address = has("client") ? get("client") : get("address");
  const std::string_view called = has("client_name") ? get("client_name") : get("helo");
  if (called.empty()) return address.empty() ? "a client" : clean_name(address);
  if (address.empty()) return clean_name(called);
  return fmt::format("{} [{}]", clean_name(called), clean_name(address));
}

std::string Words::time(std::string_view key) const {
  const auto at = parse_log_time(get(key));
  return at ? local_time(*at, record_->at) : clean_name(get(key));
}

std::string Words::child() const {
  const std::string_view id = child_of(*record_);
  return id.empty() ? "" : fmt::format(" (mail {})", clean_name(id));
}

}  // namespace posthorn::trail
