#include "config/toml_precheck.h"

#include <algorithm>
#include <string>

namespace posthorn::config {
namespace {

class Precheck {
 public:
  explicit Precheck(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  std::size_t find_fault(std::string_view& reason) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const auto u = static_cast<unsigned char>(c);
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        if (std::string_view("\n=,[{.").find(before_) == text_.npos) {
          reason =
              "a quote in the middle of a word; the form is key = \"text\", and [\"one\", \"two\"] "
              "of a list";
          return line_;
        }
        before_ = c;
        skip_string(c);
      } else if (u >= 0x7F || (u < 0x20 && std::string_view("\t\r\n").find(c) == text_.npos)) {
        reason =
            "this character may stand in quotes and in comments only; quotes are the plain \", and "
            "the file "
            "is in UTF-8";
        return line_;
      } else if (c == '[' && open_.empty() && before_ == '\n' && !has_name()) {
        reason = "a section is opened with its name: [name]";
        return line_;
      } else if ((c == '[' || c == '{') && std::string_view("\n=,[{").find(before_) == text_.npos) {
        reason = "a bracket in the middle of a word";
        return line_;
      } else if (c == '-' && ends_a_year()) {
        reason = "a date: no setting takes one";
        return line_;
      } else {
        if (c != ' ' && c != '\t' && c != '\r') before_ = c;
        if (c == '[' || c == '{') open_ += c;
        if (c == ']' || c == '}') {
          if (!open_.empty() && open_.back() != (c == ']' ? '[' : '{')) {
            reason = "a bracket closes another kind of bracket";
            return line_;
          }
          if (!open_.empty()) open_.pop_back();
        }
        step();
      }
    }
    return 0;
  }

 private:
  void step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool is_long = text_.substr(at_).starts_with(triple);
    const std::string_view end = is_long ? triple : std::string_view(triple).substr(0, 1);
    at_ += end.size();
    while (at_ < text_.size() && !text_.substr(at_).starts_with(end)) {
      if (!is_long && text_[at_] == '\n') return;
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) step();
      step();
    }
    at_ = std::min(at_ + end.size(), text_.size());
    while (is_long && at_ < text_.size() && text_[at_] == quote) ++at_;  // """a""""
  }
  // Four digits that are a word, up to here: "1980" of 1980-05-27T07:32:00Z.
  bool ends_a_year() const {
    const std::string_view before = text_.substr(0, at_);
    const std::size_t end = before.find_last_not_of("0123456789");
    const std::size_t digits = end == before.npos ? at_ : at_ - end - 1;
    return digits == 4 &&
           (end == before.npos || std::string_view(" \t\n=,[").find(before[end]) != before.npos);
  }
  bool has_name() const {
    std::string_view rest = text_.substr(at_ + 1);
    const auto skip_blank = [&] {
      rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    };
    skip_blank();
    if (rest.starts_with('[')) rest.remove_prefix(1);
    skip_blank();
    const char c = rest.empty() ? '\0' : rest.front();
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::string_view("-_\"'").find(c) != text_.npos);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  char before_ = '\n';  // the last byte outside of quotes and comments that is not blank
  std::string open_;    // brackets
};

}  // namespace

std::size_t find_toml_fault(std::string_view text, std::string_view& reason) {
  return Precheck(text).find_fault(reason);
}

}  // namespace posthorn::config
