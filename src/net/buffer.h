// InBuffer: what was read from a Stream and not yet consumed. Protocols with lines take them from
// here; a view that take_* or data() gave is valid until the next fill.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/stream.h"

namespace posthorn::net {

class InBuffer {
 public:
  std::string_view data() const { return std::string_view(bytes_).substr(start_); }
  bool empty() const { return start_ == bytes_.size(); }
  void consume(std::size_t count);
  // Throws everything away (before a TLS handshake); tells how much there was.
  std::size_t discard();
  // Gives the memory back when nothing is in it, so that an idle session costs little.
  void release();
  // Reads what is there, at most chunk bytes; the number read.
  Task<std::size_t> fill(Stream& stream, SteadyTime deadline, std::size_t chunk = 16384);

  // The next line without its LF or CRLF, consumed; nullopt while it is not whole.
  std::optional<std::string_view> take_line();

 private:
  std::string bytes_;
  std::size_t start_ = 0;
  std::size_t scanned_ = 0;  // where the search for LF goes on
};

}  // namespace posthorn::net
