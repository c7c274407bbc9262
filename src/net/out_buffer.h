// OutBuffer: what is to be said on a Stream and waits to go out. Answers are gathered in it, passed
// on when there are many and when the peer waits for them, so that replies to pipelined commands go
// out together (RFC 2449 section 6.6) and no line costs a system call.
#pragma once

#include <string>

#include "net/stream.h"

namespace posthorn::net {

class OutBuffer {
 public:
  // Both outlive it.
  OutBuffer(Stream& stream, const Clock& clock) : stream_(stream), clock_(clock) {}

  std::string& text() { return text_; }
  // An Error is closed: the peer may have part of it, so nothing more can be said.
  Task<> flush();
  // Where much is said at once, so that it is not all held.
  Task<> flush_if_large();
  // Something was said in part (a literal that is shorter than announced): what followed would be
  // read as its rest, so nothing does.
  void cut_off();

 private:
  Stream& stream_;
  const Clock& clock_;
  std::string text_;
};

}  // namespace posthorn::net
