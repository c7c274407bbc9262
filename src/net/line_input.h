// LineInput: what a peer says, line by line, on a connection that idles between them. A line has a
// bound and a deadline; when its scope stops, a peer that idles is told so before it is cut off.
// What it is told is the protocol's, and so is what a line means.
#pragma once

#include <functional>
#include <string>

#include "net/buffer.h"
#include "net/scope.h"

namespace posthorn::net {

class LineInput {
 public:
  // Why no line can be given, where the peer is to be told.
  enum class LastWord { line_too_long, stopping };
  struct Options {
    std::size_t line_max = 0;        // bytes, without its end
    std::size_t piece_max = 16'384;  // of what is read at once
    std::function<Awaitable<void>(LastWord word)> say;
    // Passes on what the peer waits for, while nothing is there of it.
    std::function<Task<>()> before_wait = {};
  };
  // Both outlive it.
  LineInput(Scope& scope, Stream& stream, Options options);

  // Without its end. An Error ends the session; its last word is said by then.
  Task<std::string> read_line(SteadyTime deadline);
  Task<std::string> read_bytes(std::size_t count, SteadyTime deadline);

  // What is there and not yet taken.
  InBuffer& buffer() { return in_; }
  // The scope stops; what waits on the stream was interrupted.
  bool is_stopping() const { return is_stopping_; }

 private:
  Task<> wait(SteadyTime deadline);

  Stream& stream_;
  const Options options_;
  InBuffer in_;
  bool is_stopping_ = false;
  Scope::Registration registration_;
};

}  // namespace posthorn::net
