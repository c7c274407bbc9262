// The multi-line answers of POP3 (RFC 1939 section 3): a line that begins with a dot gets one more,
// and a dot alone ends the answer. TOP's part of a message, and the UIDL of one. All work on pieces
// of any size and hold none of them. Sans-I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace posthorn::pop3 {

// A message in wire form (CRLF), piece by piece, as a multi-line answer.
class DotStuffer {
 public:
  void feed(std::string_view piece, std::string& out);  // appends to out
  // The end: CRLF if the last line had none, then the dot.
  void finish(std::string& out);

 private:
  char last_ = '\n';
};

// The header, the empty line and so many lines of the body.
class TopCut {
 public:
  explicit TopCut(std::uint64_t body_lines) : left_(body_lines) {}
  // What of the next piece belongs to it: all, a beginning, or nothing.
  std::string_view take(std::string_view piece);
  bool is_done() const { return done_; }

 private:
  bool in_header_ = true;
  bool line_is_empty_ = true;  // but for CRs
  bool done_ = false;
  std::uint64_t left_;
};

// What Dovecot's default "%08Xu%08Xv" gives, so that clients which come from there find the
// messages they have: UID, then UIDVALIDITY, eight digits each.
std::string format_uidl(std::uint32_t uid, std::uint32_t uidvalidity);

}  // namespace posthorn::pop3
