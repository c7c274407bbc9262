#include "pop3/proto/command.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"

namespace posthorn::pop3 {
namespace {

constexpr unsigned kBefore = static_cast<unsigned>(State::authorization);
constexpr unsigned kAfter = static_cast<unsigned>(State::transaction);

constexpr std::string_view kNoArgument = "This command takes no argument";
constexpr std::string_view kNumber = "A message number is needed";

constexpr CommandRule kRules[] = {
    {"APOP", Verb::apop, kBefore, Shape::optional_text, ""},
    {"AUTH", Verb::auth, kBefore, Shape::optional_text, ""},
    {"CAPA", Verb::capa, kBefore | kAfter, Shape::none, kNoArgument},
    {"DELE", Verb::dele, kAfter, Shape::number, kNumber},
    {"LIST", Verb::list, kAfter, Shape::optional_number, kNumber},
    {"NOOP", Verb::noop, kAfter, Shape::none, kNoArgument},
    {"PASS", Verb::pass, kBefore, Shape::text, "PASS needs a password"},
    {"QUIT", Verb::quit, kBefore | kAfter, Shape::none, kNoArgument},
    {"RETR", Verb::retr, kAfter, Shape::number, kNumber},
    {"RSET", Verb::rset, kAfter, Shape::none, kNoArgument},
    {"STAT", Verb::stat, kAfter, Shape::none, kNoArgument},
    {"STLS", Verb::stls, kBefore, Shape::none, kNoArgument},
    {"TOP", Verb::top, kAfter, Shape::number_and_lines,
     "TOP needs a message number and a number of lines"},
    {"UIDL", Verb::uidl, kAfter, Shape::optional_number, kNumber},
    {"USER", Verb::user, kBefore, Shape::text, "USER needs a name"},
    // RFC 6856 section 2: in the AUTHORIZATION state only.
    {"UTF8", Verb::utf8, kBefore, Shape::none, kNoArgument},
};

// Digits up to a space or the end. More than 64 bits are the largest number: no message has it.
std::optional<std::uint64_t> take_number(std::string_view& rest) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error == std::errc::invalid_argument) return std::nullopt;
  if (end != rest.data() + rest.size() && *end != ' ') return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return error == std::errc{} ? value : UINT64_MAX;
}

void skip_spaces(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
}

// false: the arguments do not fit. Spaces behind a number are passed over: old clients send them.
bool take_arguments(std::string_view rest, Shape shape, Command& command) {
  if (shape == Shape::text || shape == Shape::optional_text) {
    command.text = rest;
    return shape == Shape::optional_text || !rest.empty();
  }
  skip_spaces(rest);
  if (shape == Shape::none) return rest.empty();
  if (shape == Shape::optional_number && rest.empty()) return true;
  command.number = take_number(rest);
  if (!command.number) return false;
  skip_spaces(rest);
  if (shape != Shape::number_and_lines) return rest.empty();
  const auto lines = take_number(rest);
  skip_spaces(rest);
  command.lines = lines.value_or(0);
  return lines && rest.empty();
}

}  // namespace

std::span<const CommandRule> command_rules() {
  return kRules;
}

std::expected<Command, Fault> parse_command(std::string_view line, State state) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  const auto* rule = std::ranges::find_if(
      kRules, [&](const CommandRule& known) { return equals_ignoring_case(word, known.name); });
  if (rule == std::end(kRules)) return std::unexpected(Fault{"Unknown command"});
  if ((rule->states & static_cast<unsigned>(state)) == 0)
    return std::unexpected(
        Fault{state == State::authorization ? "Log in first" : "Not after the login"});
  Command command;
  command.verb = rule->verb;
  const std::string_view rest =
      space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  if (!take_arguments(rest, rule->shape, command)) return std::unexpected(Fault{rule->usage});
  return command;
}

}  // namespace posthorn::pop3
