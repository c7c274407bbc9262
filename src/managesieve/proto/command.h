// The commands of ManageSieve (RFC 5804 section 2): one table says what each is called, in which
// state it is legal and what stands behind it; parse_command() is the one place that decides.
// Sans-I/O: it is given one whole command, its literals standing in it as they came
// ("{3+}\r\nabc"). It must never echo what a client sent: a password may be in it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::managesieve {

enum class Verb {
  authenticate,
  capability,
  checkscript,
  deletescript,
  getscript,
  havespace,
  listscripts,
  logout,
  noop,
  putscript,
  renamescript,
  setactive,
  starttls,
};

// RFC 5804 section 1.1.
enum class State : unsigned { before_login = 1, after_login = 2 };

enum class Shape {
  none,
  string,
  optional_string,
  two_strings,
  string_and_optional_string,
  string_and_number,
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
  std::vector<std::string> strings;
  std::uint32_t number = 0;
};

// A text for the client.
struct Fault {
  std::string_view text;
};

std::expected<Command, Fault> parse_command(std::string_view text, State state);

// The literal that a line announces at its end. Section 4: clients write "{12+}" and send the bytes
// at once; "{12}", which the grammar leaves to servers, is read as the same, for there is nothing
// that would tell a client to go on.
std::optional<std::uint64_t> find_literal_size(std::string_view line);
// One string alone, which is what a client answers a SASL challenge with (section 2.1).
std::optional<std::string> parse_string(std::string_view text);

}  // namespace posthorn::managesieve
