#include "sieve/extensions/spam_value.h"

#include <algorithm>
#include <charconv>
#include <re2/re2.h>
#include <string>

#include "base/ascii.h"

namespace posthorn::sieve {
namespace {

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

// "Field", or "Field: pattern" whose first group is what is asked for.
std::optional<std::string> find_value(Run& run, std::string_view where) {
  const std::size_t colon = where.find(':');
  const auto& values = run.message().values(trim(where.substr(0, colon)));
  if (values.empty()) return std::nullopt;
  const std::string_view pattern =
      colon == std::string_view::npos ? "" : trim(where.substr(colon + 1));
  if (pattern.empty()) return values.front();
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 compiled(piece(pattern), options);
  if (!compiled.ok() || compiled.NumberOfCapturingGroups() < 1) {
    run.doubt("the pattern for the result of a spam filter is no good: " + compiled.error());
    return std::nullopt;
  }
  re2::StringPiece groups[2];
  if (!compiled.Match(piece(values.front()), 0, values.front().size(), RE2::UNANCHORED, groups, 2))
    return std::nullopt;
  return std::string(groups[1].data(), groups[1].size());
}

// "-1.6", ".13", "7.6 (+++)": what stands behind the number is not looked at.
std::optional<double> number_of(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<double> spam_share(Run& run, const SpamSettings& settings, int texts) {
  using Type = SpamSettings::Type;
  const auto value = find_value(run, settings.header);
  if (!value) return std::nullopt;
  if (settings.type == Type::text) {
    for (const auto& [result, text] : settings.texts)
      if (equals_ignoring_case(text, trim(*value)) && result >= 1 && result <= texts)
        return static_cast<double>(result - 1) / (texts - 1);
    return std::nullopt;
  }
  const auto score = settings.type == Type::length
                         ? std::optional(static_cast<double>(trim(*value).size()))
                         : number_of(*value);
  auto worst = number_of(settings.maximum);
  if (!settings.maximum_header.empty()) {
    const auto written = find_value(run, settings.maximum_header);
    worst = written ? number_of(*written) : std::nullopt;
  }
  if (!score || !worst || *worst <= 0) return std::nullopt;
  return std::clamp(*score / *worst, 0.0, 1.0);
}

}  // namespace posthorn::sieve
