// A message with 8-bit bytes made one of 7-bit bytes, for a server that does not offer 8BITMIME
// (RFC 6152 section 3, RFC 2045 section 6): parts with such bytes become quoted-printable or
// base64, whichever is shorter, and decode to the same bytes; all else stays as it is.
//
// plan_seven_bit() looks at the whole text once and says what to do with which range of it; the
// ranges are then converted as they stream by. What is signed (RFC 1847) is never touched, and what
// MIME does not let one encode stays as it is: the plan tells.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::message {

// mask: nobody reads it, so a "*" stands for each 8-bit byte; drop: it goes.
enum class Conversion { copy, drop, mask, quoted_printable, base64 };

struct SevenBit {
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
SevenBit plan_seven_bit(std::string_view wire_text);

// One range, fed in pieces of any size.
class SevenBitEncoder {
 public:
  explicit SevenBitEncoder(Conversion conversion) : conversion_(conversion) {}
  void feed(std::string_view piece, std::string& out);
  void finish(std::string& out);

 private:
  void feed_quoted(char c, std::string& out);
  void put(std::string_view token, std::string& out);
  void put_encoded(char c, std::string& out);
  void put_blank(std::string& out);

  Conversion conversion_;
  std::size_t column_ = 0;
  char blank_ = '\0';          // a space or tab that may turn out to be a line's last
  bool has_cr_ = false;        // a CR that may turn out to be half of a line end
  bool is_continued_ = false;  // the line began with a soft break
  std::string group_;          // base64: bytes of a line that is not full
};

// The same in one go.
std::string to_seven_bit(std::string_view wire_text, const SevenBit& plan);

}  // namespace posthorn::message
