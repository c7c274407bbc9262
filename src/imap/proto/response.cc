#include "imap/proto/response.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "base/ascii.h"
#include "imap/proto/parser.h"
#include "message/address.h"
#include "message/mutf7.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kQuotedMax = 1000;

// Of all fields of a name, as Dovecot has it.
std::vector<message::Address> all_addresses(const message::Headers& headers,
                                            std::string_view name) {
  std::vector<message::Address> addresses;
  for (const std::string& value : headers.find_all(name)) {
    for (message::Address& address : message::parse_addresses(value))
      addresses.push_back(std::move(address));
    // Of one field so many are read; ten thousand fields of a name do not make it more.
    if (addresses.size() >= message::kAddressesMax) break;
  }
  return addresses;
}

void append_addresses(std::string& out, const message::Headers& headers, std::string_view name,
                      const std::vector<message::Address>* otherwise) {
  std::vector<message::Address> addresses = all_addresses(headers, name);
  if (addresses.empty() && otherwise != nullptr) addresses = *otherwise;
  if (addresses.empty()) {
    out += "NIL";
    return;
  }
  out += '(';
  for (const message::Address& address : addresses) {
    out += '(';
    append_nstring(out, address.name);
    out += ' ';
    append_nstring(out, address.route);
    out += ' ';
    append_nstring(out, address.mailbox);
    out += ' ';
    append_nstring(out, address.host);
    out += ')';
  }
  out += ')';
}

void append_parameters(std::string& out, const message::Parameters& parameters) {
  if (parameters.empty()) {
    out += "NIL";
    return;
  }
  out += '(';
  bool first = true;
  for (const auto& [name, value] : parameters) {
    if (!first) out += ' ';
    first = false;
    append_string(out, to_upper(name));
    out += ' ';
    append_string(out, value);
  }
  out += ')';
}

// RFC 3501: disposition, language, location.
void append_extension(std::string& out, const message::Part& part) {
  if (part.disposition) {
    out += " (";
    append_string(out, *part.disposition);
    out += ' ';
    append_parameters(out, part.disposition_parameters);
    out += ')';
  } else {
    out += " NIL";
  }
  if (part.languages.empty()) {
    out += " NIL";
  } else {
    out += " (";
    for (std::size_t i = 0; i < part.languages.size(); ++i) {
      if (i > 0) out += ' ';
      append_string(out, part.languages[i]);
    }
    out += ')';
  }
  out += ' ';
  append_nstring(out, part.location);
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  bool quotable = text.size() <= kQuotedMax;
  for (const char c : text)
    quotable =
        quotable && static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F;
  if (!quotable) {
    std::string clean(text);
    for (char& c : clean)
      if (c == '\0') c = '?';  // RFC 3501 section 9: a literal has no NUL
    out += fmt::format("{{{}}}\r\n", clean.size());
    out += clean;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void append_nstring(std::string& out, const std::optional<std::string>& text) {
  if (text)
    append_string(out, *text);
  else
    out += "NIL";
}

void append_astring(std::string& out, std::string_view text) {
  // NIL as an atom would be read as no string at all.
  const bool is_atom =
      !text.empty() && !equals_ignoring_case(text, "NIL") && std::ranges::all_of(text, [](char c) {
        return c > ' ' && c < 0x7F &&
               std::string_view("(){%*\"\\").find(c) == std::string_view::npos;
      });
  if (is_atom)
    out += text;
  else
    append_string(out, text);
}

std::string format_mailbox(std::string_view utf8) {
  std::string out;
  append_astring(out, message::encode_mutf7(utf8).value_or(""));
  return out;
}

std::string format_internal_date(std::int64_t seconds) {
  static constexpr std::string_view kNames[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("\"{:2}-{}-{:04} {:02}:{:02}:{:02} +0000\"", static_cast<unsigned>(date.day()),
                     kNames[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

void append_envelope(std::string& out, const message::Headers& headers) {
  const auto from = all_addresses(headers, "From");
  out += '(';
  append_nstring(out, headers.find("Date"));
  out += ' ';
  append_nstring(out, headers.find("Subject"));
  out += ' ';
  append_addresses(out, headers, "From", nullptr);
  out += ' ';
  // RFC 3501 section 7.4.2: Sender and Reply-To are From where they are missing.
  append_addresses(out, headers, "Sender", &from);
  out += ' ';
  append_addresses(out, headers, "Reply-To", &from);
  for (const std::string_view name : {"To", "Cc", "Bcc"}) {
    out += ' ';
    append_addresses(out, headers, name, nullptr);
  }
  out += ' ';
  append_nstring(out, headers.find("In-Reply-To"));
  out += ' ';
  append_nstring(out, headers.find("Message-ID"));
  out += ')';
}

void append_structure(std::string& out, const message::Part& part, std::string_view text,
                      Extended extended) {
  out += '(';
  if (part.is_multipart()) {
    for (const message::Part& child : part.children) append_structure(out, child, text, extended);
    out += ' ';
    append_string(out, to_upper(part.subtype));
    if (extended == Extended::yes) {
      out += ' ';
      append_parameters(out, part.parameters);
      append_extension(out, part);
    }
    out += ')';
    return;
  }
  // A multipart without parts, or beyond the bounds, is told as plain text: there is no form for an
  // empty one.
  const bool opaque = part.type == "multipart" ||
                      (part.type == "message" && part.subtype == "rfc822" && !part.is_message());
  append_string(out, opaque ? "TEXT" : to_upper(part.type));
  out += ' ';
  append_string(out, opaque ? "PLAIN" : to_upper(part.subtype));
  out += ' ';
  // RFC 2045 section 5.2: what names no charset is in US-ASCII.
  if (part.type == "text" && part.subtype == "plain" && part.parameters.empty())
    append_parameters(out, {{"CHARSET", "US-ASCII"}});
  else
    append_parameters(out, part.parameters);
  out += ' ';
  append_nstring(out, part.id);
  out += ' ';
  append_nstring(out, part.description);
  out += ' ';
  append_string(out, to_upper(part.encoding));
  out += fmt::format(" {}", part.body_end - part.body_begin);
  if (part.is_message()) {
    const message::Part& inner = part.children.front();
    out += ' ';
    append_envelope(out, message::Headers(text.substr(inner.header_begin,
                                                      inner.body_begin - inner.header_begin)));
    out += ' ';
    append_structure(out, inner, text, extended);
    out += fmt::format(" {}", part.lines);
  } else if (part.type == "text" || opaque) {
    out += fmt::format(" {}", part.lines);
  }
  if (extended == Extended::yes) {
    out += ' ';
    append_nstring(out, part.md5);
    append_extension(out, part);
  }
  out += ')';
}

}  // namespace posthorn::imap
