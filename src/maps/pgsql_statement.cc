#include "maps/pgsql_statement.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"

namespace posthorn::maps {
namespace {

constexpr std::size_t kStatementMax = 100'000;
constexpr std::string_view kBlanks = " \t\r\n\f\v";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c) || c == '$';
}

// PostgreSQL's documentation, "Lexical Structure": what stands in quotes or comments is passed
// over.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  std::expected<PgsqlStatement, std::string> read() {
    while (at_ < text_.size() && fault_.empty() && end_ == std::string_view::npos) step();
    if (!fault_.empty()) return std::unexpected(fault_);
    const std::size_t end = std::min(end_, text_.size());
    if (at_ = end + 1; end_ != std::string_view::npos && !is_only_comments())
      return std::unexpected("two statements; write one");
    found_.sql = std::string(trim(text_.substr(0, end), kBlanks));
    return found_;
  }
  const std::string& first_word() const { return first_word_; }

 private:
  char peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void step() {
    const char c = text_[at_];
    if (c == '\'') return pass_quoted('\'', Escapes::none, "a text without its closing quote (')");
    if (c == '"') return pass_quoted('"', Escapes::none, "a name without its closing quote (\")");
    if (c == '-' && peek(1) == '-') return pass_line();
    if (c == '/' && peek(1) == '*') return pass_comment();
    if (c == '$') return take_dollar();
    if (is_name_start(c)) return take_name();
    if (c == ';') end_ = at_;
    ++at_;
  }

  enum class Escapes { none, backslash };
  // A quote that stands twice is one in the text.
  void pass_quoted(char quote, Escapes escapes, std::string_view unclosed) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (escapes == Escapes::backslash && text_[at_] == '\\')
        ++at_;
      else if (text_[at_] == quote && peek(1) == quote)
        ++at_;
      else if (text_[at_] == quote)
        break;
    }
    if (at_ >= text_.size()) fault_ = unclosed;
    ++at_;
  }

  void pass_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  // One may hold another.
  void pass_comment() {
    std::size_t depth = 0;
    do {
      if (at_ >= text_.size()) {
        fault_ = "a comment without its end (*/)";
        return;
      }
      if (text_[at_] == '/' && peek(1) == '*') {
        ++depth;
        ++at_;
      } else if (text_[at_] == '*' && peek(1) == '/') {
        --depth;
        ++at_;
      }
      ++at_;
    } while (depth > 0);
  }

  void take_dollar() {
    if (is_digit(peek(1))) return take_parameter();
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_name_part(text_[end]) && text_[end] != '$') ++end;
    if (end >= text_.size() || text_[end] != '$') {
      ++at_;
      return;
    }
    const std::string_view tag = text_.substr(at_, end + 1 - at_);
    const std::size_t close = text_.find(tag, end + 1);
    if (close == std::string_view::npos)
      fault_ = fmt::format("a text without its end ({})", tag);
    else
      at_ = close + tag.size();
  }

  void take_parameter() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    const std::string_view number = text_.substr(begin, at_ - begin);
    if (number == "1")
      found_.has_key = true;
    else if (number == "2")
      found_.has_local = true;
    else if (number == "3")
      found_.has_domain = true;
    else
      fault_ =
          fmt::format("${} is not known: $1 is the key, $2 what stands before its @, $3 its domain",
                      number.substr(0, 20));
  }

  void take_name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
    const std::string name = to_lower(text_.substr(begin, at_ - begin));
    if (first_word_.empty()) first_word_ = name;
    if (name == "e" && peek(0) == '\'')
      pass_quoted('\'', Escapes::backslash, "a text without its closing quote (')");
  }

  bool is_only_comments() {
    while (at_ < text_.size() && fault_.empty()) {
      if (text_[at_] == '-' && peek(1) == '-')
        pass_line();
      else if (text_[at_] == '/' && peek(1) == '*')
        pass_comment();
      else if (kBlanks.find(text_[at_]) != std::string_view::npos || text_[at_] == ';')
        ++at_;
      else
        return false;
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0, end_ = std::string_view::npos;
  PgsqlStatement found_;
  std::string first_word_, fault_;
};

}  // namespace

std::expected<PgsqlStatement, std::string> read_statement(std::string_view text) {
  if (text.size() > kStatementMax || text.find('\0') != std::string_view::npos)
    return std::unexpected("this is no statement: too long, or with a NUL");
  Words words(text);
  auto statement = words.read();
  if (!statement) return statement;
  const std::string& word = words.first_word();
  if (statement->sql.empty() || word.empty())
    return std::unexpected("there is no statement; write a SELECT");
  if (word != "select" && word != "with" && word != "values" && word != "table")
    return std::unexpected(
        fmt::format("it begins with {}, and may only ask: write a SELECT", to_upper(word)));
  return statement;
}

}  // namespace posthorn::maps
