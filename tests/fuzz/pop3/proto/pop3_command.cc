// Any bytes as a line of POP3, and as a message that is sent: a command is legal where the table
// says so and its words are the line's; a multi-line answer is the same in pieces of any size,
// comes back whole when it is read as a client reads it, and TOP gives a beginning of the message.
#include "pop3/proto/answer.h"
#include "pop3/proto/command.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

void check_command(std::string_view line, pop3::State state) {
  const auto command = pop3::parse_command(line, state);
  if (!command) {
    test::require(!command.error().text.empty());
    test::require(!test::has_control(command.error().text));
    return;
  }
  const auto rules = pop3::command_rules();
  const auto rule = std::ranges::find(rules, command->verb, &pop3::CommandRule::verb);
  test::require(rule != rules.end());
  test::require((rule->states & static_cast<unsigned>(state)) != 0);
  test::require(line.size() >= rule->name.size() && line.ends_with(command->text));
  if (rule->shape == pop3::Shape::number || rule->shape == pop3::Shape::number_and_lines)
    test::require(command->number.has_value());
  if (rule->shape == pop3::Shape::none || !command->text.empty()) test::require(!command->number);
}

// As a client reads a multi-line answer; the rest behind its end must be nothing.
std::string unstuffed(std::string_view answer) {
  std::string out;
  while (true) {
    const std::size_t lf = answer.find('\n');
    test::require(lf != std::string_view::npos);
    std::string_view line = answer.substr(0, lf + 1);
    answer.remove_prefix(lf + 1);
    if (line == ".\r\n") break;
    if (line.front() == '.') line.remove_prefix(1);
    out += line;
  }
  test::require(answer.empty());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::Pieces pieces(test::text_of(data, size));
  const std::string_view text = pieces.text();
  const std::string_view line = text.substr(0, text.find('\n'));
  for (const pop3::State state : {pop3::State::authorization, pop3::State::transaction})
    check_command(line, state);

  pop3::DotStuffer stuffer, at_once;
  pop3::TopCut cut(size % 5), whole_cut(size % 5);
  std::string answer, whole, top;
  pieces.each([&](std::string_view piece) {
    stuffer.feed(piece, answer);
    top += cut.take(piece);
  });
  stuffer.finish(answer);
  at_once.feed(text, whole);
  at_once.finish(whole);
  test::require(answer == whole);
  const std::string read = unstuffed(answer);
  test::require(read.starts_with(text) && read.size() <= text.size() + 2);
  test::require(text.starts_with(top) && whole_cut.take(text) == top);
  test::require(cut.is_done() == whole_cut.is_done());
  test::require(cut.is_done() ? top.ends_with('\n') : top == text);
  return 0;
}
