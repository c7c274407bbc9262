// A session's connection: Responses is what is said to the client, gathered and passed on when it
// grows and when the client waits; Connection reads as well, and is for the few commands that read
// more than their own text (APPEND, IDLE). Each read has a bound and a deadline. An Error of either
// means that the connection is of no more use: the session ends with it.
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <utility>

#include "base/print.h"
#include "imap/server/session.h"
#include "net/line_input.h"
#include "net/out_buffer.h"

namespace posthorn::imap {

class Responses : public net::OutBuffer {
 public:
  using OutBuffer::OutBuffer;

  // One untagged response: "* …" and the end of its line. What is put together piece by piece goes
  // into text().
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    text() += "* ";
    print_to(text(), format, std::forward<Args>(args)...);
    text() += "\r\n";
  }
};

class Connection {
 public:
  Connection(net::StreamPtr stream, const ServerServices& services);

  net::Stream& stream() { return *stream_; }
  net::InBuffer& input() { return in_.buffer(); }
  Responses& responses() { return responses_; }

  SteadyTime now() const { return clock_.steady_now(); }

  net::Task<std::string> read_line(SteadyTime deadline) { return in_.read_line(deadline); }
  net::Task<std::string> read_line() { return read_line(literal_deadline()); }
  // A literal that is small enough to be held.
  net::Task<std::string> read_literal(std::size_t size) {
    return in_.read_bytes(size, literal_deadline());
  }
  // What is there of a literal of which left bytes are to come, one at least; good until it is
  // consumed.
  net::Task<std::string_view> peek_literal(std::uint64_t left);
  // RFC 7888 section 4: what a refused command still brings is read away, or it would be carried
  // out as commands. line: the last one that was read; a literal that it announces follows, and a
  // line behind that one, unless the client waits to be asked for it.
  net::Task<> skip_rest(std::string line);
  // Says what the client waits for.
  net::Task<> answer(std::string_view text);
  net::Awaitable<void> say_bye(std::string_view text);

  // The session is over when this command is answered. The first reason counts.
  void end(std::string_view why);
  bool is_over() const { return over_; }
  const std::string& ended_by() const { return ended_by_; }  // for the log
  bool is_stopping() const { return in_.is_stopping(); }

 private:
  SteadyTime literal_deadline() const { return now() + settings_.imap.literal_timeout; }
  net::Task<> skip_literal(std::uint64_t size);
  net::Awaitable<void> say_last(net::LineInput::LastWord word);

  net::StreamPtr stream_;
  const config::Config& settings_;
  const Clock& clock_;
  Responses responses_;
  net::LineInput in_;
  std::string ended_by_;
  bool over_ = false;
};

}  // namespace posthorn::imap
