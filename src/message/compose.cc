#include "message/compose.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "message/address.h"
#include "message/mailbox_address.h"
#include "message/part.h"
#include "message/refit.h"

namespace posthorn::message {
namespace {

constexpr std::size_t kTextMax = 1000;  // bytes of a field's text
constexpr std::size_t kIdsMax = 20;     // in References
constexpr std::size_t kIdMax = 250;

// One line of valid UTF-8, whole characters.
std::string clean_line(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < kTextMax) {
    const std::size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0)
      out += "\xEF\xBF\xBD";
    else if (first < 0x20 || first == 0x7F || is_c1_control(text))
      out += ' ';
    else
      out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return std::string(trim(out));
}

// RFC 2047 section 2: an encoded word has 75 characters at most, and whole ones of UTF-8; a line
// with one 76. Words are put on lines of their own, which a reader joins without a blank.
std::string encoded_words(std::string_view utf8) {
  constexpr std::size_t kBytes = 42;  // 56 of base64 and 12 around them
  std::string out;
  while (!utf8.empty()) {
    std::size_t size = std::min(kBytes, utf8.size());
    while (size < utf8.size() && (static_cast<unsigned char>(utf8[size]) & 0xC0U) == 0x80U) --size;
    out += (out.empty() ? "=?utf-8?B?" : "\r\n =?utf-8?B?") + encode_base64(utf8.substr(0, size)) +
           "?=";
    utf8.remove_prefix(size);
  }
  return out;
}

// Lines of up to 78, folded at blanks.
std::string folded(std::string_view name, std::string_view ascii) {
  std::string out = std::string(name) + ":";
  std::size_t column = out.size();
  while (!ascii.empty()) {
    const std::size_t end = std::min(ascii.find(' '), ascii.size());
    const std::string_view word = ascii.substr(0, end);
    const bool breaks = column + 1 + word.size() > 78 && column > name.size() + 1 && !word.empty();
    out += breaks ? "\r\n " : " ";
    column = (breaks ? 0 : column) + 1 + word.size();
    out += word;
    ascii.remove_prefix(std::min(end + 1, ascii.size()));
  }
  return out + "\r\n";
}

struct OneAddress {
  std::string name, address;
};

std::optional<OneAddress> one_address(std::string_view text) {
  const auto all = parse_addresses(text);
  if (all.size() != 1 || !all[0].mailbox || !all[0].host || all[0].host->empty())
    return std::nullopt;
  const std::string address =
      format_mailbox_address({.local = *all[0].mailbox, .domain = *all[0].host});
  if (!parse_mailbox_address(address)) return std::nullopt;
  return OneAddress{all[0].name.value_or(""), address};
}

// "<left@right>" of printable ASCII, as they stand in Message-ID and References.
std::vector<std::string> message_ids(std::string_view text) {
  std::vector<std::string> ids;
  for (std::size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    if (end == std::string_view::npos) break;
    const std::string_view id = text.substr(at, end + 1 - at);
    const bool is_fine = id.size() > 2 && id.size() <= kIdMax &&
                         std::ranges::all_of(id, [](char c) { return c > 0x20 && c < 0x7F; });
    if (is_fine) ids.emplace_back(id);
  }
  return ids;
}

}  // namespace

std::string text_field(std::string_view name, std::string_view utf8) {
  const std::string line = clean_line(utf8);
  // What looks like an encoded word is none unless it is one that we made.
  if (!is_ascii(line) || line.find("=?") != std::string::npos)
    return fmt::format("{}: {}\r\n", name, encoded_words(line));
  return folded(name, line);
}

std::string address_of(std::string_view text) {
  const auto one = one_address(text);
  return one ? one->address : "";
}

std::string format_address(std::string_view text) {
  const auto one = one_address(text);
  if (!one) return {};
  // RFC 2047 section 5: no encoded word stands between quotes.
  const std::string name = clean_line(decode_words(one->name));
  if (name.empty()) return fmt::format("<{}>", one->address);
  if (!is_ascii(name)) return fmt::format("{}\r\n <{}>", encoded_words(name), one->address);
  std::string quoted;
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return fmt::format("\"{}\" <{}>", quoted, one->address);
}

std::string wire_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 16 + 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' && text[i] != '\n') {
      out += text[i];
      continue;
    }
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  return out;
}

std::string text_part(std::string_view utf8) {
  std::string out =
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  RefitEncoder encoder(Conversion::quoted_printable);
  encoder.feed(wire_lines(utf8), out);
  encoder.finish(out);
  return out;
}

std::string reply_fields(const Headers& headers) {
  const auto own = message_ids(headers.find("Message-ID").value_or(""));
  if (own.size() != 1) return {};
  auto before = message_ids(headers.find("References").value_or(""));
  if (before.empty()) {
    before = message_ids(headers.find("In-Reply-To").value_or(""));
    if (before.size() != 1) before.clear();
  }
  // The first and the last ones: a thread is found by either.
  if (before.size() > kIdsMax) before.erase(before.begin() + 1, before.end() - kIdsMax + 1);
  before.push_back(own.front());
  return fmt::format("In-Reply-To: {}\r\nReferences: {}\r\n", own.front(),
                     fmt::join(before, "\r\n "));
}

std::vector<std::string> addresses_in(const Headers& headers,
                                      const std::vector<std::string_view>& names, std::size_t max) {
  std::vector<std::string> found;
  for (const std::string_view name : names) {
    for (const std::string& value : headers.find_all(name)) {
      for (const Address& one : parse_addresses(value)) {
        if (!one.mailbox || !one.host || one.host->empty()) continue;
        std::string address =
            to_lower(format_mailbox_address({.local = *one.mailbox, .domain = *one.host}));
        if (std::ranges::find(found, address) != found.end()) continue;
        if (found.size() >= max) return found;
        found.push_back(std::move(address));
      }
    }
  }
  return found;
}

}  // namespace posthorn::message
