#include "sieve/libsieve/literals.h"

#include <optional>

#include "base/ascii.h"

namespace posthorn::sieve::libsieve {
namespace {

constexpr std::size_t kLiteralsMax = 1000;

class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  std::vector<Literal> run() {
    while (at_ < text_.size() && found_.size() < kLiteralsMax) {
      const char c = text_[at_];
      if (c == '#')
        skip_behind("\n");
      else if (rest().starts_with("/*"))
        skip_behind("*/");
      else if (c == '"')
        read_string();
      else if (is_word(c))
        read_word();
      else
        read_sign();
    }
    return std::move(found_);
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
  }
  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  void skip_behind(std::string_view end) {
    while (at_ < text_.size() && !rest().starts_with(end)) step();
    for (std::size_t i = 0; i < end.size() && at_ < text_.size(); ++i) step();
  }

  void read_word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) step();
    const std::string word = to_lower(text_.substr(begin, at_ - begin));
    // A command's name is in any case of letters (RFC 5228 section 2.1).
    if (word == "fileinto") kind_ = Literal::Kind::folder;
    if (word == "redirect") kind_ = Literal::Kind::address;
    if (word == "text:") {
      // A multi-line string names no folder that anybody means.
      skip_behind("\n");
      while (at_ < text_.size() && !rest().starts_with(".\n") && !rest().starts_with(".\r\n"))
        skip_behind("\n");
      last_.reset();
    }
  }

  // RFC 5228 section 2.4.2: a backslash stands before what stands for itself.
  void read_string() {
    Literal literal{.line = line_};
    step();
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) step();
      literal.text += text_[at_];
      step();
    }
    if (at_ < text_.size()) step();
    last_ = std::move(literal);
  }

  // The last string before the ; is what the command names; those before it are of its tags.
  void read_sign() {
    const char c = text_[at_];
    if (c == ';' && kind_ && last_) {
      last_->kind = *kind_;
      found_.push_back(*std::move(last_));
    }
    if (c == ';' || c == '{' || c == '}') {
      kind_.reset();
      last_.reset();
    }
    step();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::optional<Literal::Kind> kind_;
  std::optional<Literal> last_;
  std::vector<Literal> found_;
};

}  // namespace

std::vector<Literal> find_literals(std::string_view script) {
  return Walk(script).run();
}

}  // namespace posthorn::sieve::libsieve
