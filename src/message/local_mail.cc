#include "message/local_mail.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/ascii.h"
#include "message/address.h"
#include "message/headers.h"
#include "message/mailbox_address.h"

namespace posthorn::message {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Every kind of line end to CRLF; no line is left open.
void append_wire(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '\r' && c != '\n') {
      out += c;
      continue;
    }
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
}

bool has_lone_cr(std::string_view text) {
  for (std::size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1))
    if (at + 1 == text.size() || text[at + 1] != '\n') return true;
  return false;
}

// RFC 2047 section 2: a word holds at most 75 characters; 45 bytes make 60 of them. A character of
// UTF-8 is never cut.
std::string encoded_words(std::string_view utf8) {
  std::string out;
  while (!utf8.empty()) {
    std::size_t n = std::min<std::size_t>(utf8.size(), 45);
    while (n < utf8.size() && n > 1 && (static_cast<unsigned char>(utf8[n]) & 0xC0U) == 0x80U) --n;
    std::string_view word = utf8.substr(0, n);
    utf8.remove_prefix(n);
    out += out.empty() ? "=?UTF-8?B?" : " =?UTF-8?B?";
    for (; !word.empty(); word.remove_prefix(std::min<std::size_t>(3, word.size()))) {
      std::array<unsigned, 3> b{};
      for (std::size_t i = 0; i < 3 && i < word.size(); ++i)
        b[i] = static_cast<unsigned char>(word[i]);
      const unsigned bits = (b[0] << 16U) | (b[1] << 8U) | b[2];
      out += kBase64[bits >> 18U];
      out += kBase64[(bits >> 12U) & 63U];
      out += word.size() > 1 ? kBase64[(bits >> 6U) & 63U] : '=';
      out += word.size() > 2 ? kBase64[bits & 63U] : '=';
    }
    out += "?=";
  }
  return out;
}

std::string display_name(std::string_view name) {
  std::string clean;
  for (const char c : name)
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) clean += c;
  if (!is_ascii(clean)) return encoded_words(clean);
  std::string quoted = "\"";
  for (const char c : clean) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

class Recipients {
 public:
  explicit Recipients(const std::string& domain) : domain_(domain) {}

  Result<> add_list(std::string_view list) {
    bool in_group = false;
    for (const Address& address : parse_addresses(list)) {
      if (!address.mailbox) {
        in_group = false;
        continue;
      }
      if (!address.host && !in_group && list.find(':') != std::string_view::npos &&
          list.find(';') != std::string_view::npos) {
        in_group = true;  // "friends: a@x, b@y;": the name of the group is nobody's
        continue;
      }
      const std::string host = address.host.value_or("");
      TRY_OK(add(format_mailbox_address(
          {.local = *address.mailbox, .domain = host.empty() ? domain_ : host})));
    }
    return {};
  }
  std::vector<std::string> take() { return std::move(found_); }

 private:
  Result<> add(std::string address) {
    if (!parse_mailbox_address(address))
      return fail(ErrorKind::protocol, fmt::format("\"{}\" is no address", address));
    if (std::ranges::find(found_, address) == found_.end()) found_.push_back(std::move(address));
    return {};
  }

  const std::string& domain_;
  std::vector<std::string> found_;
};

bool is_any_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names,
                             [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

// A program may hand over a text without a header, or one that its text follows without an empty
// line: as for Postfix's sendmail, the first line that is no field begins the body then. Only an
// mbox line on top is passed over.
HeaderEnd find_given_header_end(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t lf = text.find('\n', at);
    const std::size_t next = lf == std::string_view::npos ? text.size() : lf + 1;
    const std::string_view line = text.substr(at, next - at);
    if (const auto end = find_end_at_line(line, at)) return *end;
    const bool continues = at > 0 && (line.front() == ' ' || line.front() == '\t');
    const bool is_mbox = at == 0 && line.starts_with("From ");
    if (!continues && !is_mbox && !is_field_line(line)) return {at, at};
    at = next;
  }
  return {text.size(), text.size()};
}

}  // namespace

std::string_view up_to_dot(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line == ".") return text.substr(0, at);
    at = end + 1;
  }
  return text;
}

Result<PreparedMail> prepare_local_mail(const LocalMail& mail) {
  // A lone CR ends a line of the text that comes out, so it must end one before the header is
  // looked at: what stands behind it could be a Bcc that is to go, or an empty line.
  std::string mended;
  std::string_view text = mail.text;
  if (has_lone_cr(text)) {
    append_wire(text, mended);
    text = mended;
  }
  const HeaderEnd end = find_given_header_end(text);
  const Headers headers(text.substr(0, end.header_size));
  // RFC 5322 section 3.6.6: the recipients of a message that is sent on are those of Resent-*.
  const bool is_resent = headers.has("Resent-To") || headers.has("Resent-Cc") ||
                         headers.has("Resent-Bcc") || headers.has("Resent-From");
  const std::string prefix = is_resent ? "Resent-" : "";
  Recipients recipients(mail.domain);
  for (const std::string& list : mail.recipients) TRY_OK(recipients.add_list(list));
  if (mail.takes_recipients)
    for (const std::string_view name : {"To", "Cc", "Bcc"})
      for (const std::string& list : headers.find_all(prefix + std::string(name)))
        TRY_OK(recipients.add_list(list));

  PreparedMail prepared;
  prepared.recipients = recipients.take();
  std::string& out = prepared.text;
  out.reserve(mail.text.size() + mail.text.size() / 32 + 512);
  if (!headers.has(prefix + "From"))
    out += mail.sender_name.empty() ? fmt::format("{}From: {}\r\n", prefix, mail.sender)
                                    : fmt::format("{}From: {} <{}>\r\n", prefix,
                                                  display_name(mail.sender_name), mail.sender);
  bool names_somebody = false;
  for (const Field& field : headers.fields()) {
    if (mail.takes_recipients && is_any_of(field.name, {"Bcc", "Resent-Bcc"})) continue;
    names_somebody |= is_any_of(field.name, {"To", "Cc"});
    append_wire(field.raw, out);
  }
  if (!names_somebody) out += "To: undisclosed-recipients:;\r\n";
  out += "\r\n";
  append_wire(text.substr(end.body_begin), out);
  prepared.is_eight_bit = !is_ascii(out);
  return prepared;
}

}  // namespace posthorn::message
