// Any bytes as a command of ManageSieve, and as what a server says: a command is legal where the
// table says so and has the arguments of its row; written anew from what was read it is read as the
// same; a string is one string for a client, whatever is in it.
#include "managesieve/proto/command.h"
#include "managesieve/proto/response.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;
using managesieve::Shape;

// As a client may write it: a literal of the size.
std::string written(const managesieve::CommandRule& rule, const managesieve::Command& command) {
  std::string text(rule.name);
  for (const std::string& one : command.strings)
    text += " {" + std::to_string(one.size()) + "+}\r\n" + one;
  if (rule.shape == Shape::string_and_number) text += " " + std::to_string(command.number);
  return text;
}

void check_command(std::string_view text, managesieve::State state) {
  const auto command = managesieve::parse_command(text, state);
  if (!command) {
    test::require(!command.error().text.empty());
    test::require(!test::has_control(command.error().text));
    return;
  }
  const auto rules = managesieve::command_rules();
  const auto rule = std::ranges::find(rules, command->verb, &managesieve::CommandRule::verb);
  test::require(rule != rules.end());
  test::require((rule->states & static_cast<unsigned>(state)) != 0);
  std::size_t length = 0;
  for (const std::string& one : command->strings) length += one.size();
  test::require(length <= text.size());
  const auto again = managesieve::parse_command(written(*rule, *command), state);
  test::require(again.has_value() && again->verb == command->verb);
  test::require(again->strings == command->strings && again->number == command->number);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(test::text_of(data, size));
  check_command(text, managesieve::State::before_login);
  check_command(text, managesieve::State::after_login);
  (void)managesieve::find_literal_size(text);
  test::require(managesieve::parse_string(managesieve::format_string(text)) == text);
  const std::string response =
      managesieve::format_response(managesieve::Status::no, managesieve::code::kActive, text);
  test::require(response.ends_with("\r\n"));
  // One line, unless it is a literal of exactly the text's size.
  if (response.find("\r\n") + 2 != response.size())
    test::require(response.ends_with("{" + std::to_string(text.size()) + "}\r\n" + text + "\r\n"));
  return 0;
}
