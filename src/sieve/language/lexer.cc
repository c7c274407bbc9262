#include "sieve/language/lexer.h"

#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::sieve {
namespace {

using Kind = Token::Kind;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name(char c) {
  return is_name_start(c) || is_digit(c);
}

Kind mark_of(char c) {
  switch (c) {
    case '{':
      return Kind::left_brace;
    case '}':
      return Kind::right_brace;
    case '[':
      return Kind::left_bracket;
    case ']':
      return Kind::right_bracket;
    case '(':
      return Kind::left_parenthesis;
    case ')':
      return Kind::right_parenthesis;
    case ',':
      return Kind::comma;
    case ';':
      return Kind::semicolon;
    default:
      return Kind::fault;
  }
}

}  // namespace

std::string name_of(const Token& token) {
  switch (token.kind) {
    case Kind::end:
      return "the end of the script";
    case Kind::identifier:
      return "`" + token.text + "`";
    case Kind::tag:
      return "`:" + token.text + "`";
    case Kind::number:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::left_brace:
      return "`{`";
    case Kind::right_brace:
      return "`}`";
    case Kind::left_bracket:
      return "`[`";
    case Kind::right_bracket:
      return "`]`";
    case Kind::left_parenthesis:
      return "`(`";
    case Kind::right_parenthesis:
      return "`)`";
    case Kind::comma:
      return "`,`";
    case Kind::semicolon:
      return "`;`";
    case Kind::fault:
      break;
  }
  return token.text;
}

Lexer::Lexer(std::string_view script) : script_(script) {
  if (script_.starts_with("\xEF\xBB\xBF")) script_.remove_prefix(3);  // an editor's mark
}

char Lexer::peek(std::size_t ahead) const {
  return at_ + ahead < script_.size() ? script_[at_ + ahead] : '\0';
}

void Lexer::advance(std::size_t bytes) {
  for (; bytes > 0 && at_ < script_.size(); --bytes, ++at_) {
    if (script_[at_] == '\n') {
      ++position_.line;
      position_.column = 1;
    } else {
      ++position_.column;
    }
  }
}

bool Lexer::skip_blanks(Token& fault) {
  while (at_ < script_.size()) {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      advance(1);
    } else if (c == '#') {
      const std::size_t end = script_.find('\n', at_);
      advance((end == std::string_view::npos ? script_.size() : end) - at_);
    } else if (c == '/' && peek(1) == '*') {
      fault.at = position_;
      const std::size_t end = script_.find("*/", at_ + 2);
      if (end == std::string_view::npos) {
        at_ = script_.size();
        fault.kind = Kind::fault;
        fault.fault = "this comment never ends: `*/` is missing";
        return false;
      }
      advance(end + 2 - at_);
    } else {
      break;
    }
  }
  return true;
}

Token Lexer::next() {
  Token token;
  if (!skip_blanks(token)) return token;
  token.at = position_;
  if (at_ >= script_.size()) return token;
  const char c = peek();
  if (c == '"') return quoted();
  if (is_digit(c)) return number();
  if (is_name_start(c)) return is_multi_line() ? multi_line() : word(Kind::identifier, 0);
  if (c == ':' && is_name_start(peek(1))) return word(Kind::tag, 1);
  token.kind = mark_of(c);
  advance(1);
  if (token.kind != Kind::fault) return token;
  const auto byte = static_cast<unsigned char>(c);
  if (c == ':') {
    token.fault = "a tag's name must follow the colon";
  } else if (byte > 0x20 && byte < 0x7F) {
    token.fault = fmt::format("unexpected character `{}`", c);
  } else {
    token.fault = fmt::format("unexpected byte 0x{:02x}: text belongs in quotes", byte);
    while (static_cast<unsigned char>(peek()) >= 0x80) advance(1);  // the letter's other bytes
  }
  return token;
}

// A line end within a string is CRLF, however the file has it, as in the messages it is compared
// with.
Token Lexer::quoted() {
  Token token{.kind = Kind::string, .at = position_};
  advance(1);
  while (at_ < script_.size()) {
    const std::size_t stop = script_.find_first_of(std::string_view("\"\\\r\n\0", 5), at_);
    const std::size_t plain = (stop == std::string_view::npos ? script_.size() : stop) - at_;
    token.text += script_.substr(at_, plain);
    advance(plain);
    if (at_ >= script_.size()) break;
    const char c = peek();
    if (c == '"') {
      advance(1);
      return token;
    }
    if (c == '\\') {  // RFC 5228 section 2.4.2: the character that follows, whatever it is
      advance(1);
      if (at_ < script_.size() && peek() != '\0') token.text += peek();
      advance(1);
    } else if (c == '\0') {
      token.fault = "a string cannot hold a NUL";
      at_ = script_.size();
      return token;
    } else {
      advance(c == '\r' && peek(1) == '\n' ? 2 : 1);
      token.text += "\r\n";
    }
  }
  token.fault = "this string never ends: its closing quote is missing";
  return token;
}

// "text:" with nothing but blanks and a comment behind it (RFC 5228 section 2.4.2).
bool Lexer::is_multi_line() const {
  if (!equals_ignoring_case(script_.substr(at_, 5), "text:")) return false;
  std::size_t at = at_ + 5;
  while (at < script_.size() && (script_[at] == ' ' || script_[at] == '\t')) ++at;
  return at < script_.size() && (script_[at] == '#' || script_[at] == '\r' || script_[at] == '\n');
}

Token Lexer::multi_line() {
  Token token{.kind = Kind::string, .at = position_};
  const auto take_line = [&] {
    const std::size_t end = script_.find('\n', at_);
    const std::size_t size = (end == std::string_view::npos ? script_.size() : end + 1) - at_;
    const std::string_view line = script_.substr(at_, size);
    advance(size);
    return line;
  };
  (void)take_line();
  while (at_ < script_.size()) {
    std::string_view line = take_line();
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line == ".") return token;
    // RFC 5228 section 2.4.2: a doubled dot is one; a single one with text behind it stays.
    if (line.starts_with("..")) line.remove_prefix(1);
    token.text += line;
    token.text += "\r\n";
  }
  token.fault = "this text never ends: a line with only a dot is missing";
  return token;
}

Token Lexer::number() {
  Token token{.kind = Kind::number, .at = position_};
  std::size_t digits = 0;
  while (is_digit(peek(digits))) ++digits;
  const auto value = to_number<std::uint64_t>(script_.substr(at_, digits));
  std::size_t size = digits;
  std::uint64_t unit = 1;
  switch (to_lower(peek(digits))) {
    case 'k':
      unit = 1ULL << 10U;
      break;
    case 'm':
      unit = 1ULL << 20U;
      break;
    case 'g':
      unit = 1ULL << 30U;
      break;
    default:
      break;
  }
  if (unit > 1) ++size;
  std::size_t behind = size;
  while (is_name(peek(behind))) ++behind;
  const std::string text(script_.substr(at_, behind));
  advance(behind);
  if (behind != size) {
    token.fault = fmt::format("`{}` is no number: only K, M or G may follow the digits", text);
  } else if (!value || *value > (1ULL << 62U) / unit) {
    token.fault = fmt::format("the number {} is too big", text);
  } else {
    token.number = *value * unit;
  }
  return token;
}

Token Lexer::word(Token::Kind kind, std::size_t begin) {
  Token token{.kind = kind, .at = position_};
  std::size_t size = begin;
  while (is_name(peek(size))) ++size;
  token.text = script_.substr(at_ + begin, size - begin);
  advance(size);
  return token;
}

}  // namespace posthorn::sieve
