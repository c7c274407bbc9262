#include "message/address.h"

namespace posthorn::message {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::vector<Address> read() {
    bool in_group = false;
    while (at_ < text_.size() && addresses_.size() < kAddressesMax) {
      skip_space();
      if (at_ == text_.size()) break;
      const char c = text_[at_];
      if (c == ',') {
        ++at_;
      } else if (c == ';') {
        ++at_;
        if (in_group) addresses_.push_back({});
        in_group = false;
      } else {
        read_one(in_group);
      }
    }
    if (in_group) addresses_.push_back({});
    return std::move(addresses_);
  }

 private:
  void read_one(bool& in_group) {
    comment_.clear();
    std::string phrase;   // the display name, or the local part
    std::string compact;  // the same without white space
    bool any = false;
    while (at_ < text_.size()) {
      const std::size_t before = at_;
      skip_space();
      const bool is_spaced = at_ > before;
      if (at_ == text_.size()) break;
      const char c = text_[at_];
      if (c == ',' || c == ';') break;
      if (c == ':') {
        ++at_;
        if (in_group) continue;
        addresses_.push_back({.name = {}, .route = {}, .mailbox = phrase, .host = {}});
        in_group = true;
        return;
      }
      if (c == '<') return read_angle(phrase);
      if (c == '@') {
        ++at_;
        Address address{.name = {}, .route = {}, .mailbox = compact, .host = read_domain()};
        if (!comment_.empty()) address.name = comment_;
        addresses_.push_back(std::move(address));
        return skip_rest();
      }
      const std::string word = read_word();
      if (any && is_spaced) phrase += ' ';
      phrase += word;
      compact += word;
      any = true;
    }
    // A name alone: what a broken program writes for a local user.
    if (any) addresses_.push_back({.name = {}, .route = {}, .mailbox = phrase, .host = ""});
  }

  void read_angle(const std::string& phrase) {
    ++at_;
    Address address;
    if (!phrase.empty()) address.name = phrase;
    skip_space();
    if (at_ < text_.size() && text_[at_] == '@') {  // an obsolete route
      std::string route;
      while (at_ < text_.size() && text_[at_] != ':' && text_[at_] != '>') {
        if (!is_space(text_[at_])) route += text_[at_];
        ++at_;
      }
      if (at_ < text_.size() && text_[at_] == ':') ++at_;
      address.route = route;
    }
    std::string local;
    while (at_ < text_.size()) {
      skip_space();
      if (at_ == text_.size() || text_[at_] == '>' || text_[at_] == '@' || text_[at_] == ',') break;
      local += read_word();
    }
    address.mailbox = local;
    address.host = "";
    if (at_ < text_.size() && text_[at_] == '@') {
      ++at_;
      address.host = read_domain();
    }
    while (at_ < text_.size() && text_[at_] != '>' && text_[at_] != ',') ++at_;
    if (at_ < text_.size() && text_[at_] == '>') ++at_;
    addresses_.push_back(std::move(address));
    skip_rest();
  }

  // Up to the next address; a comment on the way may be the name ("a@b (Name)").
  void skip_rest() {
    comment_.clear();
    while (at_ < text_.size()) {
      skip_space();
      if (at_ == text_.size() || text_[at_] == ',' || text_[at_] == ';') break;
      (void)read_word();
    }
    if (!comment_.empty() && !addresses_.back().name) addresses_.back().name = comment_;
  }

  std::string read_domain() {
    std::string domain;
    while (at_ < text_.size()) {
      skip_space();
      if (at_ == text_.size() || text_[at_] == ',' || text_[at_] == ';' || text_[at_] == '>' ||
          text_[at_] == '<')
        break;
      if (!domain.empty() && text_[at_] != '.' && !domain.ends_with('.')) break;
      domain += text_[at_] == '[' ? read_literal() : read_word();
    }
    return domain;
  }

  std::string read_literal() {
    std::string literal;
    while (at_ < text_.size() && text_[at_] != ']') {
      if (text_[at_] != '\r' && text_[at_] != '\n') literal += text_[at_];
      ++at_;
    }
    if (at_ < text_.size()) literal += text_[at_++];
    return literal;
  }

  // A quoted string (unquoted), or a run of other characters up to a special one. Always moves on.
  std::string read_word() {
    std::string word;
    if (text_[at_] == '"') {
      ++at_;
      while (at_ < text_.size() && text_[at_] != '"') {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        if (text_[at_] != '\r' && text_[at_] != '\n') word += text_[at_];
        ++at_;
      }
      if (at_ < text_.size()) ++at_;
      return word;
    }
    do {
      word += text_[at_++];
    } while (at_ < text_.size() && !is_space(text_[at_]) &&
             std::string_view("\"(<>,;:@").find(text_[at_]) == std::string_view::npos);
    return word;
  }

  // White space and comments; nested ones are counted, not recursed into.
  void skip_space() {
    int depth = 0;
    std::string inside;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (depth == 0 && c != '(' && !is_space(c)) break;
      if (c == '(') {
        if (depth++ > 0) inside += c;
      } else if (c == ')') {
        if (--depth > 0)
          inside += c;
        else if (comment_.empty())
          comment_ = std::exchange(inside, {});
      } else if (depth > 0 && c == '\\' && at_ + 1 < text_.size()) {
        if (const char escaped = text_[++at_]; escaped != '\r' && escaped != '\n')
          inside += escaped;
      } else if (depth > 0 && c != '\r' && c != '\n') {
        inside += c;
      }
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string comment_;
  std::vector<Address> addresses_;
};

}  // namespace

std::vector<Address> parse_addresses(std::string_view value) {
  return Reader(value).read();
}

}  // namespace posthorn::message
