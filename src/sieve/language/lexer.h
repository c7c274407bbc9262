// The words of a Sieve script (RFC 5228 section 8.1): where each begins, what it says. A fault is a
// word of its own, and reading goes on behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::sieve {

struct Position {
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // from 1, in bytes
};

struct Token {
  enum class Kind {
    end,
    identifier,
    tag,
    number,
    string,
    left_brace,
    right_brace,
    left_bracket,
    right_bracket,
    left_parenthesis,
    right_parenthesis,
    comma,
    semicolon,
    fault  // nothing that a script has
  };
  Kind kind = Kind::end;
  Position at;
  std::string text;  // a name as it is written, a tag without its colon, a string's value
  std::uint64_t number = 0;
  std::string fault = {};  // what is wrong with it; empty: nothing
};

// "a string", "`keep`": for sentences about what was found.
std::string name_of(const Token& token);

class Lexer {
 public:
  explicit Lexer(std::string_view script);
  Token next();

 private:
  char peek(std::size_t ahead = 0) const;
  void advance(std::size_t bytes);
  bool skip_blanks(Token& fault);  // and comments; false: one never ends
  Token quoted();
  Token multi_line();
  bool is_multi_line() const;
  Token number();
  Token word(Token::Kind kind, std::size_t begin);

  std::string_view script_;
  std::size_t at_ = 0;
  Position position_;
};

}  // namespace posthorn::sieve
