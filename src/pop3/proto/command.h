// The commands of POP3 (RFC 1939, CAPA of RFC 2449, STLS of RFC 2595, AUTH of RFC 5034, UTF8 of
// RFC 6856): one table says what each is called, in which state it is legal and what stands behind
// it; parse_command() is the one place that decides. Sans-I/O. It must never echo what a client
// sent: a PASS line may be in it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace posthorn::pop3 {

enum class Verb {
  apop,
  auth,
  capa,
  dele,
  list,
  noop,
  pass,
  quit,
  retr,
  rset,
  stat,
  stls,
  top,
  uidl,
  user,
  utf8,
};

// RFC 1939 section 3. UPDATE is no state a command can be given in.
enum class State : unsigned { authorization = 1, transaction = 2 };

enum class Shape {
  none,
  text,             // the rest of the line, at least one character, spaces included
  optional_text,    // the rest of the line, or nothing
  number,           // a message-number
  optional_number,  // … or nothing
  number_and_lines  // TOP: a message-number and a number of lines
};

struct CommandRule {
  std::string_view name;
  Verb verb;
  unsigned states;  // of State
  Shape shape;
  std::string_view usage;  // the answer to arguments that do not fit
};
std::span<const CommandRule> command_rules();

struct Command {
  Verb verb = Verb::noop;
  std::string text;
  std::optional<std::uint64_t> number;  // one too large for 64 bits is the largest: no such message
  std::uint64_t lines = 0;
};

// A text for the client, without "-ERR ".
struct Fault {
  std::string_view text;
};

// line: without its CRLF.
std::expected<Command, Fault> parse_command(std::string_view line, State state);

}  // namespace posthorn::pop3
