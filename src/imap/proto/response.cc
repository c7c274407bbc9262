#include "imap/proto/response.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <utility>

#include "base/ascii.h"
#include "base/print.h"
#include "imap/proto/parser.h"
#include "message/mutf7.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kQuotedMax = 1000;

using search::FieldName;

void append_number(std::string& out, std::uint64_t number) {
  print_to(out, "{}", number);
}

void append_upper(std::string& out, std::string_view text) {
  append_string(out, to_upper(text));
}

// Of all fields of a name, as Dovecot has it. false: there are none.
bool append_some_addresses(std::string& out, const search::HeaderFacts& header, FieldName name) {
  bool any = false;
  for (const search::Field& field : header.fields) {
    if (field.name != name) continue;
    for (const search::Address& address : field.addresses) {
      out += std::exchange(any, true) ? "(" : "((";
      append_nstring(out, address.name);
      out += ' ';
      append_nstring(out, address.route);
      out += ' ';
      append_nstring(out, address.mailbox);
      out += ' ';
      append_nstring(out, address.host);
      out += ')';
    }
  }
  if (any) out += ')';
  return any;
}

void append_addresses(std::string& out, const search::HeaderFacts& header, FieldName name,
                      FieldName otherwise) {
  out += ' ';
  if (append_some_addresses(out, header, name)) return;
  if (otherwise == name || !append_some_addresses(out, header, otherwise)) out += "NIL";
}

void append_value(std::string& out, const search::HeaderFacts& header, FieldName name) {
  const search::Field* const field = header.find(name);
  append_nstring(out, field == nullptr ? std::nullopt : std::optional(field->value));
}

void append_parameters(std::string& out, const search::Parameters& parameters) {
  if (parameters.empty()) {
    out += "NIL";
    return;
  }
  out += '(';
  bool first = true;
  for (const auto& [name, value] : parameters) {
    if (!std::exchange(first, false)) out += ' ';
    append_upper(out, name);
    out += ' ';
    append_string(out, value);
  }
  out += ')';
}

// RFC 3501: disposition, language, location.
void append_extension(std::string& out, const search::PartFacts& part) {
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

// RFC 3501 section 9, QUOTED-CHAR: what a quoted string may hold, but for what it must escape.
constexpr bool is_plain(char c) {
  return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  std::size_t plain = 0;
  while (plain < text.size() && is_plain(text[plain])) ++plain;
  if (plain == text.size() && text.size() <= kQuotedMax) {
    out += '"';
    out += text;
    out += '"';
    return;
  }
  const bool is_quotable = text.size() <= kQuotedMax &&
                           std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
  if (!is_quotable) {
    out += '{';
    append_number(out, text.size());
    out += "}\r\n";
    const std::size_t begin = out.size();
    out += text;
    // RFC 3501 section 9: a literal has no NUL.
    std::replace(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), '\0', '?');
    return;
  }
  out += '"';
  for (const char c : text) {
    if (!is_plain(c)) out += '\\';
    out += c;
  }
  out += '"';
}

void append_nstring(std::string& out, std::optional<std::string_view> text) {
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

void append_envelope(std::string& out, const search::HeaderFacts& header) {
  out += '(';
  append_value(out, header, FieldName::date);
  out += ' ';
  append_value(out, header, FieldName::subject);
  append_addresses(out, header, FieldName::from, FieldName::from);
  // RFC 3501 section 7.4.2: Sender and Reply-To are From where they are missing.
  append_addresses(out, header, FieldName::sender, FieldName::from);
  append_addresses(out, header, FieldName::reply_to, FieldName::from);
  for (const FieldName name : {FieldName::to, FieldName::cc, FieldName::bcc})
    append_addresses(out, header, name, name);
  out += ' ';
  append_value(out, header, FieldName::in_reply_to);
  out += ' ';
  append_value(out, header, FieldName::message_id);
  out += ')';
}

void append_structure(std::string& out, const search::PartFacts& part, Extended extended) {
  out += '(';
  if (part.is_multipart()) {
    for (const search::PartFacts& child : part.children) append_structure(out, child, extended);
    out += ' ';
    append_upper(out, part.subtype);
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
  append_upper(out, opaque ? "TEXT" : part.type);
  out += ' ';
  append_upper(out, opaque ? "PLAIN" : part.subtype);
  out += ' ';
  // RFC 2045 section 5.2: what names no charset is in US-ASCII.
  if (part.type == "text" && part.subtype == "plain" && part.parameters.empty())
    out += R"(("CHARSET" "US-ASCII"))";
  else
    append_parameters(out, part.parameters);
  out += ' ';
  append_nstring(out, part.id);
  out += ' ';
  append_nstring(out, part.description);
  out += ' ';
  append_upper(out, part.encoding);
  out += ' ';
  append_number(out, part.body_end - part.body_begin);
  if (part.is_message()) {
    out += ' ';
    append_envelope(out, part.inner);
    out += ' ';
    append_structure(out, part.children.front(), extended);
  }
  if (part.is_message() || part.type == "text" || opaque) {
    out += ' ';
    append_number(out, part.lines);
  }
  if (extended == Extended::yes) {
    out += ' ';
    append_nstring(out, part.md5);
    append_extension(out, part);
  }
  out += ')';
}

}  // namespace posthorn::imap
