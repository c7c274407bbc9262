// Spamd: one question to SpamAssassin's spamd and its whole answer (SPAMC protocol 1.5), over
// libcurl. A message is never changed. Answers are bounded, and waited for only so long.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/socket.h"
#include "net/transfers.h"

namespace posthorn::filter {

// What spamd said. Parsing is pure, so that it can be tested and fuzzed.
struct SpamdAnswer {
  int code = 0;      // of sysexits.h, 0: all is well; else there is nothing but said
  std::string said;  // the status line, "SPAMD/1.1 0 EX_OK"
  std::vector<std::pair<std::string, std::string>> fields;  // names in small letters
  std::string_view body;                                    // of the text that was parsed
  const std::string* find(std::string_view name) const;     // nullptr: there is no such field
};
Result<SpamdAnswer> parse_answer(std::string_view answer);

// The next line of it, without its end.
std::string_view take_line(std::string_view& text);
// As one line: what ends a line, or acts on who reads it, becomes "?".
std::string clean(std::string_view text);

// The message of a question, piece by piece; the empty one is the end. A piece is good until the
// next.
class SpamdBody {
 public:
  virtual ~SpamdBody() = default;
  virtual net::Task<std::string_view> next() = 0;
};

class Spamd {
 public:
  Spamd(net::Scope& scope, std::chrono::milliseconds timeout, net::Address address);
  ~Spamd();
  Spamd(const Spamd&) = delete;
  Spamd& operator=(const Spamd&) = delete;

  // head: the request line and its fields, with the empty line. An Error is temporary.
  net::Task<std::string> ask(std::string head, SpamdBody& body);
  net::Task<std::string> ask(std::string head, std::string_view text);
  // Questions under way end with an Error.
  void stop();

 private:
  const std::chrono::milliseconds timeout_;
  const net::Address address_;
  net::Transfers transfers_;
};

}  // namespace posthorn::filter
