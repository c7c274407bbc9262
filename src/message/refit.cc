#include "message/refit.h"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>
#include <utility>

#include "base/base64.h"
#include "message/charset.h"
#include "message/field_fold.h"
#include "message/headers.h"
#include "message/part.h"

namespace posthorn::message {
namespace {

// How many 8-bit bytes and which long lines stand in a range; made in one pass, so that no level of
// nesting has to read the text again.
class Counter {
 public:
  explicit Counter(std::string_view text) : text_(text) {
    std::size_t all = 0;
    for (std::size_t at = 0; at < text.size(); at += kBlock) {
      before_.push_back(all);
      all += scan(at, std::min(at + kBlock, text.size()));
    }
    before_.push_back(all);
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t newline = std::min(text.find('\n', begin), text.size());
      const std::size_t end = newline > begin && text[newline - 1] == '\r' ? newline - 1 : newline;
      if (end - begin > kLineMax) long_lines_.push_back(begin);
      begin = newline + 1;
    }
  }
  std::size_t count(std::size_t begin, std::size_t end) const {
    return count_before(end) - count_before(begin);
  }
  // A line that begins in the range.
  bool has_long_line(std::size_t begin, std::size_t end) const {
    const auto first = std::ranges::lower_bound(long_lines_, begin);
    return first != long_lines_.end() && *first < end;
  }

 private:
  static constexpr std::size_t kBlock = 1024;
  std::size_t scan(std::size_t begin, std::size_t end) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(text_.substr(begin, end - begin),
                              [](char c) { return static_cast<unsigned char>(c) >= 0x80; }));
  }
  std::size_t count_before(std::size_t at) const {
    return before_[at / kBlock] + scan(at / kBlock * kBlock, at);
  }

  std::string_view text_;
  std::vector<std::size_t> before_;
  std::vector<std::size_t> long_lines_;  // where they begin
};

// What stands for a byte that nobody reads (a multipart's preamble). RFC 2046 section 5.1.1: no
// boundary holds it.
constexpr char kMask = '*';

class Planner {
 public:
  Planner(std::string_view text, Fit fit) : text_(text), counter_(text), fit_(fit) {}

  RefitPlan plan() {
    if (counter_.count(0, text_.size()) > 0 ||
        (fit_.short_lines && counter_.has_long_line(0, text_.size())))
      visit(parse_parts(text_), true);
    std::ranges::sort(edits_, {}, [](const Edit& edit) {
      return std::tuple(edit.segment.begin, edit.segment.end, edit.part);
    });
    std::size_t at = 0;
    for (auto& [segment, part] : edits_) {
      if (segment.begin > at) plan_.segments.push_back({{}, Conversion::copy, at, segment.begin});
      at = segment.end;
      plan_.segments.push_back(std::move(segment));
    }
    if (at < text_.size()) plan_.segments.push_back({{}, Conversion::copy, at, text_.size()});
    plan_.is_changed = !edits_.empty();
    return std::move(plan_);
  }

 private:
  struct Edit {
    RefitPlan::Segment segment;
    std::size_t part;  // in the order in which they begin
  };
  void edit(std::size_t number, RefitPlan::Segment segment) {
    edits_.push_back({std::move(segment), number});
  }

  bool is_too_long(std::size_t begin, std::size_t end) const {
    return fit_.short_lines && counter_.has_long_line(begin, end);
  }
  static bool is_identity(const Part& part) {
    return part.encoding == "7bit" || part.encoding == "8bit" || part.encoding == "binary";
  }

  // True if nothing of the part's body is 8-bit any more. is_root: the header is a message's.
  bool visit(const Part& part, bool is_root) {
    const std::size_t number = parts_++;
    const Fit before = fit_;
    if (is_root) leave_signed(part);
    if (counter_.count(part.header_begin, part.body_begin) > 0) plan_.has_eight_bit_header = true;
    if (is_too_long(part.header_begin, part.body_begin)) fold(part, number);
    const bool done = visit_body(part, number, is_root);
    fit_ = before;
    return done;
  }

  // RFC 6376 section 3.4: what a signature covers stays to the octet. (8-bit text that a server
  // does not take is another matter: it cannot be sent as it is.)
  void leave_signed(const Part& part) {
    if (!fit_.short_lines) return;
    const Headers headers(text_.substr(part.header_begin, part.body_begin - part.header_begin));
    if (headers.has("DKIM-Signature")) fit_.short_lines = false;
  }

  void fold(const Part& part, std::size_t number) {
    const Headers headers(text_.substr(part.header_begin, part.body_begin - part.header_begin));
    for (const Field& field : headers.fields()) {
      const auto begin = static_cast<std::size_t>(field.raw.data() - text_.data());
      if (!is_too_long(begin, begin + field.raw.size()) ||
          equals_ignoring_case(field.name, "Content-Transfer-Encoding"))
        continue;
      std::string folded = fold_field(field.raw);
      if (folded != field.raw)
        edit(number, {std::move(folded), Conversion::drop, begin, begin + field.raw.size()});
    }
  }

  bool visit_body(const Part& part, std::size_t number, bool is_root) {
    const std::size_t count = counter_.count(part.body_begin, part.body_end);
    const bool is_eight = fit_.seven_bit && count > 0;
    const bool is_long = is_too_long(part.body_begin, part.body_end);
    if (!is_eight && !is_long) return count == 0;
    // RFC 1847 section 2.1: the signature is over these very bytes.
    if (part.type == "multipart" &&
        (part.subtype == "signed" || (part.subtype == "encrypted" && !is_eight))) {
      plan_.has_signed_part = plan_.has_signed_part || is_eight;
      return count == 0;
    }
    if (part.is_multipart() && is_identity(part)) return visit_multipart(part, number, is_eight);
    if (part.is_message() && is_identity(part)) {
      const Part& inner = part.children.front();
      const bool done =
          visit(inner, true) && counter_.count(inner.header_begin, inner.body_begin) == 0;
      if (is_eight) set_encoding(part, number, done ? "7bit" : "", false);
      return done;
    }
    return visit_leaf(part, number, is_root, count);
  }

  bool visit_leaf(const Part& part, std::size_t number, bool is_root, std::size_t count) {
    if (count == 0 && part.encoding == "base64") {
      edit(number, {{}, Conversion::wrap_base64, part.body_begin, part.body_end});
      return true;
    }
    if (count == 0 && part.encoding == "quoted-printable") {
      edit(number, {{}, Conversion::wrap_quoted, part.body_begin, part.body_end});
      return true;
    }
    // RFC 2045 section 6.4: a composite part is never encoded; RFC 2046 sections 5.2.2, 5.2.3: nor
    // are these. What already claims an encoding would be encoded twice.
    if (!is_identity(part) || part.type == "multipart" ||
        (part.type == "message" && (part.subtype == "rfc822" || part.subtype == "partial" ||
                                    part.subtype == "external-body"))) {
      plan_.has_other_part = true;
      return count == 0;
    }
    const std::size_t size = part.body_end - part.body_begin;
    // Quoted-printable takes two bytes more for each that it encodes, base64 a third of all; text
    // is readable in the first, and one whose charset has other letters in neither.
    const bool is_text = part.type == "text" || part.type == "message";
    const auto conversion =
        is_text && count * 6 <= size ? Conversion::quoted_printable : Conversion::base64;
    set_encoding(part, number, conversion == Conversion::base64 ? "base64" : "quoted-printable",
                 is_root);
    edit(number, {{}, conversion, part.body_begin, part.body_end});
    return true;
  }

  bool visit_multipart(const Part& part, std::size_t number, bool is_eight) {
    // A boundary that is 8-bit itself, that masking might make of another line, or that is no line
    // for others.
    for (const auto& [name, value] : part.parameters)
      if (equals_ignoring_case(name, "boundary") &&
          (is_eight_bit(value) || value.find(kMask) != std::string::npos ||
           value.size() > kLineMax - 4)) {
        plan_.has_other_part = true;
        return counter_.count(part.body_begin, part.body_end) == 0;
      }
    bool done = true;
    std::size_t at = part.body_begin;
    for (const Part& child : part.children) {
      mask(number, at, child.header_begin);
      done = visit(child, false) && done;
      if (counter_.count(child.header_begin, child.body_begin) > 0) done = false;
      at = child.body_end;
    }
    mask(number, at, part.body_end);
    if (is_eight) set_encoding(part, number, done ? "7bit" : "", false);
    return done && (fit_.seven_bit || counter_.count(part.body_begin, part.body_end) == 0);
  }

  // What stands before, between and behind the parts of a multipart is read by nobody.
  void mask(std::size_t number, std::size_t begin, std::size_t end) {
    if ((fit_.seven_bit && counter_.count(begin, end) > 0) || is_too_long(begin, end))
      edit(number, {{}, Conversion::mask, begin, end});
  }

  // encoding: empty where the label stays.
  void set_encoding(const Part& part, std::size_t number, std::string_view encoding, bool is_root) {
    const std::string_view header =
        text_.substr(part.header_begin, part.body_begin - part.header_begin);
    const auto end = find_header_end(
        text_.substr(part.header_begin, part.body_end - part.header_begin), Input::whole);
    const Headers headers(header.substr(0, end->header_size));
    // No label means 7bit.
    const bool is_labelled = headers.has("Content-Transfer-Encoding");
    const bool is_relabelled = !encoding.empty() && (encoding != "7bit" || is_labelled);
    for (const Field& field : headers.fields()) {
      if (!is_relabelled || !equals_ignoring_case(field.name, "Content-Transfer-Encoding"))
        continue;
      const auto begin = static_cast<std::size_t>(field.raw.data() - text_.data());
      edit(number, {{}, Conversion::drop, begin, begin + field.raw.size()});
    }
    std::string fields;
    if (is_root && !headers.has("MIME-Version")) fields += "MIME-Version: 1.0\r\n";
    // RFC 1428 section 3: text that never said in which charset it is.
    if (is_root && !headers.has("Content-Type")) {
      const auto body = text_.substr(part.body_begin, part.body_end - part.body_begin);
      fields += fmt::format("Content-Type: text/plain; charset={}\r\n",
                            to_utf8(body, "utf-8") == body ? "utf-8" : "unknown-8bit");
    }
    if (is_relabelled) fields += fmt::format("Content-Transfer-Encoding: {}\r\n", encoding);
    // A header that runs into the body gets the empty line that it has not, or what is put in front
    // of the body would belong to it.
    if (end->header_size == end->body_begin) fields += "\r\n";
    if (fields.empty()) return;
    const std::size_t at = part.header_begin + end->header_size;
    edit(number, {std::move(fields), Conversion::copy, at, at});
  }

  std::string_view text_;
  Counter counter_;
  Fit fit_;
  RefitPlan plan_;
  std::vector<Edit> edits_;
  std::size_t parts_ = 0;
};

constexpr std::size_t kLineBytes = 57;  // RFC 2045 section 6.8: 76 letters

}  // namespace

bool is_eight_bit(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

RefitPlan plan_refit(std::string_view wire_text, Fit fit) {
  return Planner(wire_text, fit).plan();
}

bool FitCheck::feed(std::string_view piece) {
  if (fit_.seven_bit && is_eight_bit(piece)) return true;
  if (!fit_.short_lines) return false;
  while (!piece.empty()) {
    const std::size_t newline = piece.find('\n');
    // With the CR of its end, or what may be it.
    column_ += std::min(newline, piece.size());
    if (column_ > kLineMax + 1) return true;
    if (newline == std::string_view::npos) return false;
    column_ = 0;
    piece.remove_prefix(newline + 1);
  }
  return false;
}

void RefitEncoder::feed(std::string_view piece, std::string& out) {
  switch (conversion_) {
    case Conversion::copy:
      out += piece;
      break;
    case Conversion::drop:
      break;
    case Conversion::mask:
    case Conversion::wrap_base64:
    case Conversion::wrap_quoted:
      for (const char c : piece) feed_wrapped(c, out);
      break;
    case Conversion::quoted_printable:
      for (const char c : piece) feed_quoted(c, out);
      break;
    case Conversion::base64:
      while (!piece.empty()) {
        // A full line goes when more follows: the last one has its end from what comes behind.
        if (group_.size() == kLineBytes) {
          out += encode_base64(group_) + "\r\n";
          group_.clear();
        }
        const std::string_view take = piece.substr(0, kLineBytes - group_.size());
        group_ += take;
        piece.remove_prefix(take.size());
      }
      break;
  }
}

// Lines stay; one that is too long is cut, as its encoding takes it: anywhere in base64 (RFC 2045
// section 6.8), by a soft break that parts no "=XX" in quoted-printable (section 6.7). A line made
// by us must not look like a boundary.
void RefitEncoder::feed_wrapped(char c, std::string& out) {
  if (c == '\n' || c == '\r') {
    out += std::exchange(group_, {});
    out += c;
    if (c == '\n') {
      column_ = 0;
      is_continued_ = false;
    }
    return;
  }
  switch (conversion_) {
    case Conversion::wrap_base64:
      if (column_ == 76) {
        out += "\r\n";
        column_ = 0;
      }
      out += c;
      ++column_;
      return;
    case Conversion::wrap_quoted:
      if (!group_.empty() || c == '=') {
        group_ += c;
        if (group_.size() == 3) put(std::exchange(group_, {}), out);
        return;
      }
      put(std::string_view(&c, 1), out);
      return;
    default:
      if (column_ == kLineMax) {
        out += "\r\n ";
        column_ = 1;
      }
      out += static_cast<unsigned char>(c) < 0x80 ? c : kMask;
      ++column_;
  }
}

// RFC 2045 section 6.7: line ends stay line ends, whatever else is not printable is encoded, and so
// is a blank at a line's end; no line is longer than 76.
void RefitEncoder::feed_quoted(char c, std::string& out) {
  if (has_cr_ || c == '\n') {
    const bool is_end = c == '\n';
    if (is_end && blank_ != '\0')
      put_encoded(std::exchange(blank_, '\0'), out);
    else
      put_blank(out);
    if (is_end) {
      out += std::exchange(has_cr_, false) ? "\r\n" : "\n";
      column_ = 0;
      is_continued_ = false;
      return;
    }
    has_cr_ = false;
    put_encoded('\r', out);
  }
  if (c == '\r') {
    has_cr_ = true;
    return;
  }
  put_blank(out);
  if (c == ' ' || c == '\t')
    blank_ = c;
  else if (c > ' ' && c < 0x7F && c != '=')
    put(std::string_view(&c, 1), out);
  else
    put_encoded(c, out);
}

void RefitEncoder::put(std::string_view token, std::string& out) {
  if (column_ + token.size() > 75) {
    out += "=\r\n";
    column_ = 0;
    is_continued_ = true;
  }
  // A line made by us must not look like a boundary.
  if (column_ == 0 && is_continued_ && token == "-") token = "=2D";
  out += token;
  column_ += token.size();
}

void RefitEncoder::put_encoded(char c, std::string& out) {
  put(fmt::format("={:02X}", static_cast<unsigned char>(c)), out);
}

void RefitEncoder::put_blank(std::string& out) {
  if (blank_ == '\0') return;
  const char blank = std::exchange(blank_, '\0');
  put(std::string_view(&blank, 1), out);
}

void RefitEncoder::finish(std::string& out) {
  if (conversion_ == Conversion::base64 && !group_.empty()) out += encode_base64(group_);
  if (conversion_ == Conversion::wrap_quoted) out += group_;
  group_.clear();
  if (has_cr_) {
    put_blank(out);
    put_encoded('\r', out);
  } else if (blank_ != '\0') {
    put_encoded(std::exchange(blank_, '\0'), out);
  }
  has_cr_ = false;
}

std::string refit(std::string_view wire_text, const RefitPlan& plan) {
  std::string out;
  for (const RefitPlan::Segment& segment : plan.segments) {
    out += segment.text;
    RefitEncoder encoder(segment.conversion);
    encoder.feed(wire_text.substr(segment.begin, segment.end - segment.begin), out);
    encoder.finish(out);
  }
  return out;
}

}  // namespace posthorn::message
