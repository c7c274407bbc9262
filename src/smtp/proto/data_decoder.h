// The text after DATA, decoded (RFC 5321 section 4.5.2): dots unstuffed, the end found at CRLF.CRLF
// and nowhere else. A bare CR or LF or a NUL never ends anything (SMTP smuggling: CVE-2023-51764
// and its kin); it marks the message as one to refuse, and the stream stays in step up to the real
// end.
#pragma once

#include <cstdint>
#include <string_view>

namespace posthorn::smtp {

class DataDecoder {
 public:
  enum class Fault { none, bare_line_end, nul, long_line };

  explicit DataDecoder(std::uint64_t line_max) : line_max_(line_max) {}

  // Takes what it can of input, moving its start; gives decoded pieces of it in order to
  // emit(std::string_view). True: the end was reached; what is left in input follows the message.
  template <class Emit>
  bool feed(std::string_view& input, Emit&& emit);

  Fault fault() const { return fault_; }

 private:
  enum class State { line_start, text, cr, dot, dot_cr };

  void mark(Fault fault) {
    if (fault_ == Fault::none) fault_ = fault;
  }

  State state_ = State::line_start;
  Fault fault_ = Fault::none;
  std::uint64_t line_ = 0;
  std::uint64_t line_max_;
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
        const std::size_t stop = input.find_first_of(std::string_view("\r\n\0", 3), i);
        const std::size_t end = stop == std::string_view::npos ? input.size() : stop;
        line_ += end - i;
        if (line_ > line_max_) mark(Fault::long_line);
        i = end;
        if (i == input.size()) continue;
        if (input[i] == '\r')
          state_ = State::cr;
        else
          mark(input[i] == '\n' ? Fault::bare_line_end : Fault::nul);
        ++i;
        continue;
      }
      case State::cr:
        if (c == '\n') {
          state_ = State::line_start;
          line_ = 0;
          ++i;
        } else {
          mark(Fault::bare_line_end);
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
        mark(Fault::bare_line_end);
        emit(std::string_view("\r", 1));
        begin = i;
        state_ = State::text;
        continue;
    }
  }
  if (state_ != State::dot && state_ != State::dot_cr) flush(input.size());
  input = {};
  return false;
}

}  // namespace posthorn::smtp
