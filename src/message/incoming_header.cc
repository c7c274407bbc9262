#include "message/incoming_header.h"

#include <algorithm>

#include "base/ascii.h"
#include "message/headers.h"

namespace posthorn::message {
namespace {

constexpr std::size_t kNameMax = 998;  // RFC 5322 section 2.1.1

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// RFC 5322 section 3.6.8, as Postfix's is_header() has it: a name of printable ASCII; blanks may
// stand before the colon (section 4.5.3).
bool is_field(std::string_view line) {
  std::size_t i = 0;
  while (i < line.size() && line[i] > 0x20 && line[i] < 0x7F && line[i] != ':') ++i;
  if (i == 0 || i > kNameMax) return false;
  while (i < line.size() && is_blank(line[i])) ++i;
  return i < line.size() && line[i] == ':';
}

bool is_mbox_line(std::string_view line) {
  const std::size_t begin = std::min(line.find_first_not_of('>'), line.size());
  return line.substr(begin).starts_with("From ");
}

}  // namespace

IncomingHeader::End IncomingHeader::judge(std::string_view line) const {
  if (line == "\r\n") return End::empty_line;
  if (line_ + line.size() > kHeaderMax) return End::too_long;
  if (line_ == mbox_end_ && !has_field_ && is_mbox_line(line)) return End::open;
  if (has_field_ && is_blank(line.front())) return End::open;
  return is_field(line) ? End::open : End::no_field;
}

bool IncomingHeader::feed(std::string_view piece) {
  text_ += piece;
  while (end_ == End::open) {
    const std::size_t lf = text_.find('\n', searched_);
    if (lf == std::string::npos) {
      searched_ = text_.size();
      if (text_.size() > kHeaderMax) end_ = End::too_long;
      break;
    }
    const auto line = std::string_view(text_).substr(line_, lf + 1 - line_);
    end_ = judge(line);
    if (end_ != End::open) break;
    if (line_ == mbox_end_ && !has_field_ && is_mbox_line(line))
      mbox_end_ = lf + 1;
    else
      has_field_ = true;
    line_ = searched_ = lf + 1;
  }
  return end_ != End::open;
}

void IncomingHeader::finish() {
  if (end_ != End::open) return;
  // What is left is a line without its end, from BDAT.
  if (line_ < text_.size()) end_ = judge(std::string_view(text_).substr(line_));
  if (end_ != End::open) return;
  line_ = text_.size();
  end_ = End::no_body;
}

std::string IncomingHeader::fields() const {
  std::string out;
  for (std::size_t at = 0; at < mbox_end_;) {
    const std::size_t next = text_.find('\n', at) + 1;
    out.append("X-Mailbox-Line: ").append(text_, at, next - at);
    at = next;
  }
  return out.append(text_, mbox_end_, line_ - mbox_end_);
}

std::string IncomingHeader::rest() const {
  return (end_ == End::no_field ? "\r\n" : "") + text_.substr(line_);
}

std::string without_fields(std::string_view header, std::initializer_list<std::string_view> names) {
  std::string out;
  bool is_left_out = false;
  while (!header.empty()) {
    const std::string_view line =
        header.substr(0, std::min(header.find('\n'), header.size() - 1) + 1);
    if (!is_blank(line.front())) {
      const std::string_view name = trim(line.substr(0, line.find(':')));
      is_left_out = std::ranges::any_of(
          names, [&](std::string_view one) { return equals_ignoring_case(one, name); });
    }
    if (!is_left_out) out += line;
    header.remove_prefix(line.size());
  }
  return out;
}

}  // namespace posthorn::message
