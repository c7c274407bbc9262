// A message made to fit a server and the standard: one of 7-bit bytes for a server that does not
// offer 8BITMIME (RFC 6152 section 3, RFC 2045 section 6), one whose lines are short (RFC 5322
// section 2.1.1: 998 octets at most, and other servers refuse or cut what is longer). Parts that do
// not fit become quoted-printable or base64, whichever is shorter, and decode to the same bytes;
// fields are folded; all else stays as it is.
//
// plan_refit() looks at the whole text once and says what to do with which range of it; the ranges
// are then converted as they stream by. What is signed or encrypted (RFC 1847, RFC 6376) is never
// touched, and what MIME does not let one encode stays as it is: the plan tells.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::message {

// RFC 5322 section 2.1.1, without the line end.
inline constexpr std::size_t kLineMax = 998;

// What the text is to become.
struct Fit {
  bool seven_bit = false;
  bool short_lines = false;
};

// drop: it goes. mask: nobody reads it (a multipart's preamble): a "*" stands for each 8-bit byte,
// and long lines are cut. wrap_base64, wrap_quoted: what is encoded already, in lines too long.
enum class Conversion { copy, drop, mask, quoted_printable, base64, wrap_base64, wrap_quoted };

struct RefitPlan {
  struct Segment {
    std::string text;  // put in front of the range
    Conversion conversion = Conversion::copy;
    std::size_t begin = 0, end = 0;  // of the text
  };
  std::vector<Segment> segments;      // all of the text, in order
  bool is_changed = false;            // something is converted
  bool has_eight_bit_header = false;  // a field of it or of a part (RFC 6532)
  bool has_signed_part = false;       // left as it is: 8-bit bytes in a multipart/signed
  bool has_other_part = false;        // left as it is: a part that must not be encoded
};

bool is_eight_bit(std::string_view text);
RefitPlan plan_refit(std::string_view wire_text, Fit fit);

// Whether a text needs a plan at all, seen while it streams by.
class FitCheck {
 public:
  explicit FitCheck(Fit fit) : fit_(fit) {}
  // True as soon as something does not fit.
  bool feed(std::string_view piece);

 private:
  Fit fit_;
  std::size_t column_ = 0;
};

// One range, fed in pieces of any size.
class RefitEncoder {
 public:
  explicit RefitEncoder(Conversion conversion) : conversion_(conversion) {}
  void feed(std::string_view piece, std::string& out);
  void finish(std::string& out);

 private:
  void feed_quoted(char c, std::string& out);
  void feed_wrapped(char c, std::string& out);
  void put(std::string_view token, std::string& out);
  void put_encoded(char c, std::string& out);
  void put_blank(std::string& out);

  Conversion conversion_;
  std::size_t column_ = 0;
  char blank_ = '\0';          // a space or tab that may turn out to be a line's last
  bool has_cr_ = false;        // a CR that may turn out to be half of a line end
  bool is_continued_ = false;  // the line began with a soft break
  std::string group_;          // base64: bytes of a line that is not full; quoted: half of an "=XX"
};

// The same in one go.
std::string refit(std::string_view wire_text, const RefitPlan& plan);

}  // namespace posthorn::message
