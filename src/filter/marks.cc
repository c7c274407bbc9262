#include "filter/marks.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "message/headers.h"

namespace posthorn::filter {
namespace {

using config::parse_score;

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kLineMax = 900;  // RFC 5322 section 2.1.1: 998

// Between two encoded words a reader shows no white space (RFC 2047 section 6.2), so the space
// behind the mark is part of an encoded one. Pieces end at whole characters, 45 bytes each.
std::string written(std::string_view mark) {
  const bool is_ascii = std::ranges::all_of(mark, [](char c) { return c >= 0x20 && c < 0x7F; });
  if (is_ascii && mark.find("=?") == std::string_view::npos) return std::string(mark);
  std::string text;
  for (const char c : mark) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  text += ' ';
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    std::size_t n = std::min<std::size_t>(rest.size(), 45);
    while (n < rest.size() && n > 1 && (static_cast<unsigned char>(rest[n]) & 0xC0U) == 0x80) --n;
    out +=
        fmt::format("{}=?UTF-8?B?{}?=", out.empty() ? "" : " ", encode_base64(rest.substr(0, n)));
    rest.remove_prefix(n);
  }
  return out;
}

// "Yes, score=7.1 required=5.0 …": the word and the bound.
std::string status_with(std::string_view value, bool is_spam, std::string_view required) {
  const std::size_t comma = value.find(',');
  if (comma == std::string_view::npos) return std::string(value);
  std::string out = fmt::format(" {}{}", is_spam ? "Yes" : "No", value.substr(comma));
  constexpr std::string_view kRequired = "required=";
  if (const std::size_t at = out.find(kRequired); at != std::string::npos) {
    const std::size_t begin = at + kRequired.size();
    const std::size_t end = std::min(out.find_first_of(" \t\r\n", begin), out.size());
    out.replace(begin, end - begin, required);
  }
  return out;
}

}  // namespace

void apply_scores(const config::Filter& config, Verdict& verdict) {
  const auto score = parse_score(verdict.score);
  if (!score) return;
  if (const auto bound = parse_score(config.spam_score)) {
    verdict.is_spam = *score >= *bound;
    verdict.required = trim(config.spam_score, kBlanks);
    std::string out;
    const message::Headers fields(verdict.headers);
    for (const message::Field& field : fields.fields()) {
      if (message::equals_ignoring_case(field.name, "X-Spam-Flag")) continue;
      if (message::equals_ignoring_case(field.name, "X-Spam-Status"))
        out += fmt::format("{}:{}\r\n", field.name,
                           status_with(field.value, verdict.is_spam, verdict.required));
      else
        out += field.raw;
    }
    verdict.headers = (verdict.is_spam ? "X-Spam-Flag: YES\r\n" : "") + out;
  }
  if (const auto bound = parse_score(config.headers_score); bound && *score < *bound)
    verdict.headers.clear();
}

bool is_filter_field(const config::Filter& config, std::string_view name) {
  return std::ranges::any_of(config.headers, [&](const std::string& prefix) {
    return !prefix.empty() && name.size() >= prefix.size() &&
           equals_ignoring_case(name.substr(0, prefix.size()), prefix);
  });
}

bool is_discarded(const config::Filter& config, const Verdict& verdict) {
  const auto bound = parse_score(config.discard_score);
  const auto score = parse_score(verdict.score);
  return bound && score && verdict.is_spam && *score >= *bound;
}

std::optional<std::string> mark_subject(std::optional<std::string_view> subject,
                                        std::string_view mark) {
  const std::string word = written(trim(mark, kBlanks));
  const std::string_view value = subject ? trim(*subject, kBlanks) : std::string_view();
  if (value.starts_with(word)) return std::nullopt;
  if (value.empty()) return fmt::format("Subject: {}\r\n", word);
  const bool is_long = word.size() + std::min(value.find('\r'), value.size()) > kLineMax;
  return fmt::format("Subject: {}{}{}\r\n", word, is_long ? "\r\n " : " ", value);
}

}  // namespace posthorn::filter
