#include "message/mailbox_address.h"

#include "base/utf8.h"

namespace posthorn::message {
namespace {

constexpr std::size_t kLocalMax = 255;
constexpr std::size_t kDomainMax = 255;

bool is_alnum(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_atext(unsigned char c, AddressCharset charset) {
  if (c >= 0x80) return charset == AddressCharset::utf8;
  return is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(static_cast<char>(c)) !=
                            std::string_view::npos;
}

// RFC 5321 Dot-string.
bool has_stray_dots(std::string_view text) {
  return text.starts_with('.') || text.ends_with('.') || text.find("..") != std::string_view::npos;
}

// A Dot-string, or one with dots where none may stand; not what looks like a way through folders.
bool is_loose_dot_string(std::string_view text, AddressCharset charset) {
  bool has_other = false, has_slash = false;
  for (const char c : text) {
    if (c == '.') continue;
    if (!is_atext(static_cast<unsigned char>(c), charset)) return false;
    has_other = true;
    has_slash |= c == '/';
  }
  return has_other && !(has_slash && has_stray_dots(text));
}

std::string quote(std::string_view local) {
  std::string out = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Valid UTF-8 without what hides or breaks lines; the charset check of a whole address.
bool is_clean_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || is_c1_control(text)) return false;
    text.remove_prefix(length);
  }
  return true;
}

// The quoted string at the front of text, unquoted; its length with quotes in consumed. RFC 5321
// Quoted-string.
std::optional<std::string> take_quoted(std::string_view text, AddressCharset charset,
                                       std::size_t& consumed) {
  std::string local;
  for (std::size_t i = 1; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c == '"') {
      consumed = i + 1;
      return local;
    }
    if (c == '\\') {
      if (++i == text.size()) return std::nullopt;
      c = static_cast<unsigned char>(text[i]);
      if (c >= 0x7F) return std::nullopt;
    }
    if (c < 0x20 || c == 0x7F || (c >= 0x80 && charset == AddressCharset::ascii))
      return std::nullopt;
    local += static_cast<char>(c);
  }
  return std::nullopt;
}

// RFC 5321 section 4.5.3.1.2: a domain, or an address literal in its place, has 255 octets at most.
bool is_literal(std::string_view text) {
  if (text.size() < 3 || text.size() > kDomainMax || text.front() != '[' || text.back() != ']')
    return false;
  for (const char c : text.substr(1, text.size() - 2))
    if (!is_alnum(static_cast<unsigned char>(c)) && c != '.' && c != ':' && c != '-') return false;
  return true;
}

}  // namespace

bool is_domain(std::string_view text, AddressCharset charset) {
  if (text.empty() || text.size() > kDomainMax) return false;
  std::size_t label = 0;
  char before = '.';
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '.') {
      if (label == 0 || before == '-') return false;
      label = 0;
    } else {
      if (u >= 0x80 ? charset == AddressCharset::ascii : !is_alnum(u) && c != '-' && c != '_')
        return false;
      if (c == '-' && label == 0) return false;
      if (++label > 63) return false;
    }
    before = c;
  }
  return label > 0 && before != '-' && is_clean_utf8(text);
}

std::optional<MailboxAddress> parse_mailbox_address(std::string_view text, AddressCharset charset) {
  if (text.empty() || text.size() > kAddressMax) return std::nullopt;
  MailboxAddress address;
  std::string_view rest;
  if (text.front() == '"') {
    std::size_t consumed = 0;
    auto local = take_quoted(text, charset, consumed);
    if (!local || local->empty()) return std::nullopt;
    address.local = *std::move(local);
    rest = text.substr(consumed);
  } else {
    const std::size_t at = text.find('@');
    const std::string_view local = text.substr(0, at);
    if (!is_loose_dot_string(local, charset)) return std::nullopt;
    address.local = local;
    rest = at == std::string_view::npos ? std::string_view() : text.substr(at);
  }
  if (address.local.size() > kLocalMax || !is_clean_utf8(address.local)) return std::nullopt;
  if (rest.empty()) return address;  // the caller decides what a bare local part means
  if (rest.front() != '@') return std::nullopt;
  rest.remove_prefix(1);
  if (!is_domain(rest, charset) && !is_literal(rest)) return std::nullopt;
  address.domain = rest;
  return address;
}

std::string format_mailbox_address(const MailboxAddress& address) {
  const std::string out = is_loose_dot_string(address.local, AddressCharset::utf8)
                              ? address.local
                              : quote(address.local);
  return address.domain.empty() ? out : out + "@" + address.domain;
}

std::string strict_address(const std::string& address) {
  const std::string_view local = std::string_view(address).substr(0, address.rfind('@'));
  if (local.empty() || local.starts_with('"') || !has_stray_dots(local)) return address;
  return quote(local) + address.substr(local.size());
}

}  // namespace posthorn::message
