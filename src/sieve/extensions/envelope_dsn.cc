// envelope-dsn and envelope-deliverby (RFC 6009 sections 3 and 4): what the sender asked for in the
// envelope (RFC 3461, RFC 2852). What was not given has no value.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

using Values = std::vector<std::string>;
using Of = EnvelopePartRow::Of;

Values one(const std::string& text) {
  return text.empty() ? Values{} : Values{text};
}

// Section 3: each value of NOTIFY alone.
Values notify(Run& run) {
  Values values;
  std::string_view rest = run.mail().notify;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    values.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return values;
}

// Seconds from now; what is beyond nine digits is no BY (RFC 2852 section 4).
std::optional<std::int64_t> by_time(Run& run) {
  const auto seconds = to_number<std::uint32_t>(
      std::string_view(run.mail().by_time).substr(run.mail().by_time.starts_with('-') ? 1 : 0));
  if (!seconds || *seconds > 999'999'999) return std::nullopt;
  return run.mail().by_time.starts_with('-') ? -std::int64_t{*seconds} : std::int64_t{*seconds};
}

Values relative(Run& run) {
  const auto seconds = by_time(run);
  return seconds ? Values{std::to_string(*seconds)} : Values{};
}

Values absolute(Run& run) {
  const auto seconds = by_time(run);
  if (!seconds) return {};
  const auto at =
      std::chrono::floor<std::chrono::seconds>(run.input().now) + std::chrono::seconds(*seconds);
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  return {fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      time.hours().count(), time.minutes().count(), time.seconds().count())};
}

Values mode(Run& run) {
  const std::string& written = run.mail().by_mode;
  if (written.empty()) return {};
  return {to_lower(written.front()) == 'r' ? "return" : "notify"};
}

Values is_traced(Run& run) {
  const std::string& written = run.mail().by_mode;
  if (written.empty()) return {};
  return {to_lower(written.back()) == 't' ? "true" : "false"};
}

}  // namespace

Extension envelope_dsn() {
  return {
      .name = "envelope-dsn",
      .standard = "RFC 6009 section 3",
      .envelope_parts = {{"notify", Of::text, notify},
                         {"ret", Of::text, [](Run& run) { return one(run.mail().ret); }},
                         {"envid", Of::text, [](Run& run) { return one(run.mail().envelope_id); }},
                         {"orcpt", Of::text, [](Run& run) { return one(run.mail().orcpt); }}}};
}

Extension envelope_deliverby() {
  return {.name = "envelope-deliverby",
          .standard = "RFC 6009 section 4",
          .envelope_parts = {{"bytimerelative", Of::text, relative},
                             {"bytimeabsolute", Of::text, absolute},
                             {"bymode", Of::text, mode},
                             {"bytrace", Of::text, is_traced}}};
}

}  // namespace posthorn::sieve::extension
