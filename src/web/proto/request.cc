#include "web/proto/request.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"

namespace posthorn::web {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// RFC 9110 section 7.2, without user information: "host", "host:80", "[::1]:80".
bool is_host(std::string_view text) {
  if (text.size() > 300) return false;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    for (const char c : rest.substr(1, end - 1))
      if (!is_digit(c) && !is_letter(c) && c != ':' && c != '.') return false;
    rest.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    for (const char c : rest.substr(0, end))
      if (!is_digit(c) && !is_letter(c) && c != '-' && c != '.' && c != '_') return false;
    rest.remove_prefix(end);
  }
  if (rest.empty()) return true;
  return rest.starts_with(':') && rest.size() <= 6 && std::ranges::all_of(rest.substr(1), is_digit);
}

// One list of tokens, separated by commas, holds the token.
bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equals_ignoring_case(trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

struct Seen {
  bool host = false;
  bool length = false;
  bool is_closed = false;
  bool is_kept = false;
  int minor = 1;
};

int take_target(std::string_view target, Request& request, Seen& seen) {
  // RFC 9112 section 3.2.2: the absolute form; its host goes before the Host field.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    if (end == 0 || !is_host(target.substr(0, end))) return 400;
    request.host = target.substr(0, end);
    seen.host = true;
    target.remove_prefix(end);
    if (!target.starts_with('/')) {
      if (!target.empty()) return 400;
      target = "/";
    }
    break;
  }
  if (target == "*" && request.method == "OPTIONS") {
    request.path = "/";
    return 0;
  }
  if (!target.starts_with('/')) return 400;
  const std::size_t question = target.find('?');
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  auto path = decode_percent(target.substr(0, question));
  if (!path) return 400;
  request.path = *std::move(path);
  return 0;
}

// "GET /path HTTP/1.1". The answer is 0 or the status of a refusal.
int take_request_line(std::string_view line, Request& request, Seen& seen) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || method.size() > 32) return 400;
  if (target.size() > kTargetMax) return 414;
  if (target.find(' ') != std::string_view::npos) return 400;
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) ||
      version[6] != '.' || !is_digit(version[7]))
    return 400;
  if (version[5] != '1') return 505;
  seen.minor = version[7] - '0';
  request.method = method;
  return take_target(target, request, seen);
}

int take_field(std::string_view line, Request& request, Seen& seen, bool& has_host) {
  const std::size_t colon = line.find(':');
  // RFC 9112 section 5.1: white space before the colon and folded lines are refused.
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return 400;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim(line.substr(colon + 1));
  if (std::ranges::any_of(value, [](char c) { return is_control(c) && c != '\t'; })) return 400;
  if (equals_ignoring_case(name, "host")) {
    if (has_host || !is_host(value)) return 400;  // RFC 9112 section 3.2
    has_host = true;
    if (!seen.host) request.host = value;
  } else if (equals_ignoring_case(name, "transfer-encoding")) {
    return 501;  // RFC 9112 section 6.1: not understood, and never guessed at
  } else if (equals_ignoring_case(name, "content-length")) {
    if (seen.length || value.empty() || !std::ranges::all_of(value, is_digit)) return 400;
    seen.length = true;
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), request.body_size);
    if (error != std::errc{} || request.body_size > kBodyMax) return 413;
  } else if (equals_ignoring_case(name, "connection")) {
    seen.is_closed |= has_token(value, "close");
    seen.is_kept |= has_token(value, "keep-alive");
  } else if (equals_ignoring_case(name, "accept")) {
    // RFC 9110 section 5.3: several fields are one list.
    request.accept += (request.accept.empty() ? "" : ",") + std::string(value);
  } else if (equals_ignoring_case(name, "expect")) {
    if (!equals_ignoring_case(value, "100-continue")) return 417;
    request.expects_continue = true;
  }
  return 0;
}

std::expected<Request, int> parse_head(std::string_view head) {
  Request request;
  Seen seen;
  bool has_host = false;
  std::size_t fields = 0;
  bool is_first = true;
  while (!head.empty()) {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    // RFC 9112 section 2.2 leaves it open whether a bare LF ends a line: here it ends the matter.
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return std::unexpected(400);
    if (!is_first && ++fields > kFieldsMax) return std::unexpected(431);
    const int status = is_first ? take_request_line(line, request, seen)
                                : take_field(line, request, seen, has_host);
    is_first = false;
    if (status != 0) return std::unexpected(status);
  }
  if (!has_host && seen.minor > 0) return std::unexpected(400);
  request.is_kept_alive = seen.minor > 0 ? !seen.is_closed : seen.is_kept && !seen.is_closed;
  if (seen.minor == 0) request.expects_continue = false;  // RFC 9110 section 10.1.1
  return request;
}

int value_of_hex(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::expected<std::optional<Request>, int> HeadReader::read(std::string_view data) {
  std::size_t start = 0;
  while (data.substr(start).starts_with("\r\n")) start += 2;  // RFC 9112 section 2.2
  if (start > 16) return std::unexpected(400);
  const std::size_t from = std::max(start, scanned_ > 3 ? scanned_ - 3 : 0);
  const std::size_t end = data.substr(0, kHeadMax).find(kEnd, from);
  if (end == std::string_view::npos) {
    scanned_ = data.size();
    const std::size_t line = data.find("\r\n", start);
    // A bare LF in the head will never be right, and waiting for more would only take time.
    for (std::size_t at = data.find('\n', start); at != std::string_view::npos;
         at = data.find('\n', at + 1))
      if (at == 0 || data[at - 1] != '\r') return std::unexpected(400);
    if (std::min(line, data.size()) > start + kTargetMax + 64) return std::unexpected(414);
    if (data.size() >= kHeadMax) return std::unexpected(431);
    return std::nullopt;
  }
  size_ = end + kEnd.size();
  scanned_ = 0;
  auto request = parse_head(data.substr(start, end - start));
  if (!request) return std::unexpected(request.error());
  return *std::move(request);
}

bool wants_html(std::string_view accept) {
  while (!accept.empty()) {
    const std::size_t comma = std::min(accept.find(','), accept.size());
    std::string_view range = accept.substr(0, comma);
    accept.remove_prefix(std::min(comma + 1, accept.size()));
    const std::size_t semicolon = std::min(range.find(';'), range.size());
    const std::string_view parameters = range.substr(semicolon);
    if (!equals_ignoring_case(trim(range.substr(0, semicolon)), "text/html")) continue;
    const std::size_t weight = parameters.find("q=");
    // RFC 9110 section 12.4.2: a weight of 0 means "not acceptable".
    if (weight == std::string_view::npos ||
        parameters.substr(weight + 2).find_first_of("123456789") != std::string_view::npos)
      return true;
  }
  return false;
}

std::optional<std::string> decode_percent(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = value_of_hex(text[i + 1]);
      const int low = value_of_hex(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (is_control(c)) return std::nullopt;
    out += c;
  }
  return out;
}

std::optional<std::string> find_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) != name) continue;
    std::string value(pair.substr(std::min(equals + 1, pair.size())));
    std::ranges::replace(value, '+', ' ');
    return decode_percent(value);
  }
  return std::nullopt;
}

}  // namespace posthorn::web
