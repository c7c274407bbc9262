#include "message/complete_addresses.h"

#include <algorithm>
#include <vector>

#include "base/ascii.h"

namespace posthorn::message {
namespace {

// Those whose names Postfix completes (header_opts.c).
constexpr std::string_view kAddressFields[] = {"From",
                                               "Sender",
                                               "Reply-To",
                                               "To",
                                               "Cc",
                                               "Errors-To",
                                               "Apparently-To",
                                               "Mail-Followup-To",
                                               "Resent-From",
                                               "Resent-Sender",
                                               "Resent-To",
                                               "Resent-Cc",
                                               "Resent-Reply-To",
                                               "Return-Receipt-To",
                                               "Disposition-Notification-To"};

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Looks through a list of addresses (RFC 5322 section 3.4) for the places where a domain is
// missing: behind a word that stands alone, or alone between < and >. Two words without an address
// may be a name that somebody forgot the address of: they stay.
class Search {
 public:
  explicit Search(std::string_view text) : text_(text) {}

  std::vector<std::size_t> find() {
    while (at_ < text_.size()) step();
    end_address();
    return std::move(places_);
  }

 private:
  void step() {
    const char c = text_[at_];
    if (is_space(c)) {
      ++at_;
      return;
    }
    if (c == '(') return skip_comment();
    ++at_;
    switch (c) {
      case ',':
      case ';':
        return end_address();
      case ':':  // a group's name, or a route
        words_ = 0;
        return;
      case '<':
        words_ = 0;
        in_angle_ = true;
        return;
      case '>':
        end_words();
        in_angle_ = false;
        has_angle_ = true;
        return;
      case '@':
        has_at_ = true;
        return;
      default:
        --at_;
        take_word();
    }
  }

  // A quoted string or a run of other characters, and what stands directly behind it.
  void take_word() {
    is_encoded_ = text_.substr(at_).starts_with("=?");
    while (at_ < text_.size() && !is_space(text_[at_]) &&
           std::string_view("(,;:<>@").find(text_[at_]) == std::string_view::npos) {
      if (text_[at_++] != '"') continue;
      while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
      at_ = std::min(at_ + 1, text_.size());
    }
    word_end_ = at_;
    ++words_;
  }

  void skip_comment() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      at_ += c == '\\' ? 2 : 1;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) break;
    }
    at_ = std::min(at_, text_.size());
  }

  void end_words() {
    if (words_ == 1 && !has_at_ && !has_angle_ && !is_encoded_) places_.push_back(word_end_);
    words_ = 0;
  }

  void end_address() {
    if (!in_angle_) end_words();  // else it is no address at all
    words_ = 0;
    has_at_ = has_angle_ = in_angle_ = false;
  }

  std::string_view text_;
  std::size_t at_ = 0, word_end_ = 0;
  std::size_t words_ = 0;
  bool has_at_ = false, has_angle_ = false, in_angle_ = false, is_encoded_ = false;
  std::vector<std::size_t> places_;
};

bool has_addresses(std::string_view field) {
  const std::string_view name = trim(field.substr(0, field.find(':')));
  return std::ranges::any_of(kAddressFields,
                             [&](std::string_view one) { return equals_ignoring_case(one, name); });
}

}  // namespace

std::string complete_addresses(std::string_view header, std::string_view domain) {
  std::string out;
  while (!header.empty()) {
    // A field, with the lines folded under it.
    std::size_t end = 0;
    do {
      end = std::min(header.find('\n', end), header.size() - 1) + 1;
    } while (end < header.size() && (header[end] == ' ' || header[end] == '\t'));
    std::string_view field = header.substr(0, end);
    header.remove_prefix(end);
    if (has_addresses(field)) {
      const std::size_t value = field.find(':') + 1;
      out += field.substr(0, value);
      field.remove_prefix(value);
      std::size_t copied = 0;
      const std::string_view list = field.substr(0, field.find_last_not_of("\r\n") + 1);
      for (const std::size_t place : Search(list).find()) {
        out.append(field.substr(copied, place - copied)).append("@").append(domain);
        copied = place;
      }
      field.remove_prefix(copied);
    }
    out += field;
  }
  return out;
}

}  // namespace posthorn::message
