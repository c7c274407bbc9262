#include "managesieve/proto/response.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"

namespace posthorn::managesieve {
namespace {

constexpr std::size_t kQuotedMax = 1024;

std::string_view word_of(Status status) {
  switch (status) {
    case Status::ok:
      return "OK";
    case Status::no:
      return "NO";
    case Status::bye:
      break;
  }
  return "BYE";
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out += format_string(name) + " " + format_string(value) + "\r\n";
}

}  // namespace

std::string format_string(std::string_view text) {
  const bool may_be_quoted =
      text.size() <= kQuotedMax && is_utf8(text) &&
      std::ranges::none_of(text, [](char c) { return c == '\0' || c == '\r' || c == '\n'; });
  if (!may_be_quoted) return fmt::format("{{{}}}\r\n{}", text.size(), text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string format_response(Status status, std::string_view code, std::string_view text) {
  std::string out(word_of(status));
  if (!code.empty()) out += fmt::format(" ({})", code);
  if (!text.empty()) out += " " + format_string(text);
  return out + "\r\n";
}

std::string format_tagged(std::string_view tag, std::string_view text) {
  return fmt::format("OK (TAG {}) {}\r\n", format_string(tag), format_string(text));
}

std::string format_capabilities(const Capabilities& capabilities) {
  std::string out;
  add(out, "IMPLEMENTATION", "Posthorn");
  add(out, "SASL", capabilities.mechanisms);
  add(out, "SIEVE", fmt::format("{}", fmt::join(capabilities.extensions, " ")));
  // RFC 5804 section 1.7: the methods of enotify, where there is that extension.
  if (std::ranges::find(capabilities.extensions, "enotify") != capabilities.extensions.end())
    add(out, "NOTIFY", "mailto");
  if (capabilities.offers_tls) out += "\"STARTTLS\"\r\n";
  add(out, "MAXREDIRECTS", fmt::to_string(capabilities.redirects_max));
  add(out, "LANGUAGE", "en");
  if (!capabilities.owner.empty()) add(out, "OWNER", capabilities.owner);
  add(out, "VERSION", "1.0");
  return out;
}

}  // namespace posthorn::managesieve
