// The text after DATA, decoded (RFC 5321 section 4.5.2): dots unstuffed, the end found at CRLF.CRLF
// and nowhere else. A bare CR or LF or a NUL never ends anything (SMTP smuggling: CVE-2023-51764
// and its kin); it is text, and what becomes of it is for line_ends.h.
#pragma once

#include <algorithm>
#include <string_view>

namespace posthorn::smtp {

class DataDecoder {
 public:
  // Takes what it can of input, moving its start; gives decoded pieces of it in order to
  // emit(std::string_view). True: the end was reached; what is left in input follows the message.
  template <class Emit>
  bool feed(std::string_view& input, Emit&& emit);

  // The end was CR CRLF.CRLF: right by the letter, and what a sender that takes CR CR LF for no
  // line end was made to pass on.
  bool ended_behind_cr() const { return after_crcrlf_; }

 private:
  enum class State { line_start, text, cr, dot, dot_cr };

  State state_ = State::line_start;
  bool is_second_cr_ = false;  // state cr: another stood before it
  bool after_crcrlf_ = false;  // the line began behind CR CR LF
};

template <class Emit>
bool DataDecoder::feed(std::string_view& input, Emit&& emit) {
  std::size_t begin = 0;  // the first byte not yet emitted
  std::size_t i = 0;
  const auto flush = [&](std::size_t end) {
    if (end > begin) emit(input.substr(begin, end - begin));
  };
  while (i < input.size()) {
    const char c = input[i];
    switch (state_) {
      case State::line_start:
        if (c == '.') {
          flush(i);
          begin = i + 1;  // a stuffed dot, or the beginning of the end
          state_ = State::dot;
          ++i;
          continue;
        }
        state_ = State::text;
        [[fallthrough]];
      case State::text: {
        // The common case: run over ordinary bytes at once.
        i = std::min(input.find('\r', i), input.size());
        if (i == input.size()) continue;
        state_ = State::cr;
        is_second_cr_ = false;
        ++i;
        continue;
      }
      case State::cr:
        if (c == '\n') {
          state_ = State::line_start;
          after_crcrlf_ = is_second_cr_;
          ++i;
        } else if (c == '\r') {
          is_second_cr_ = true;
          ++i;
        } else {
          state_ = State::text;
        }
        continue;
      case State::dot:
        if (c == '\r') {
          state_ = State::dot_cr;
          ++i;
          continue;
        }
        // RFC 5321 section 4.5.2: one leading dot goes, the rest of the line stays.
        begin = i;
        state_ = State::text;
        continue;
      case State::dot_cr:
        if (c == '\n') {
          input.remove_prefix(i + 1);
          state_ = State::line_start;
          return true;
        }
        // ".\rX": the CR belongs to the text.
        emit(std::string_view("\r", 1));
        begin = i;
        state_ = State::cr;
        is_second_cr_ = false;
        continue;
    }
  }
  if (state_ != State::dot && state_ != State::dot_cr) flush(input.size());
  input = {};
  return false;
}

}  // namespace posthorn::smtp
