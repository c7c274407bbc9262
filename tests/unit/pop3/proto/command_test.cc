#include "pop3/proto/command.h"

#include <gtest/gtest.h>
#include <set>

namespace posthorn::pop3 {
namespace {

constexpr State kStates[] = {State::authorization, State::transaction};

// A line that fits the shape, and one that does not ("": every line fits).
std::pair<std::string, std::string> lines_for(const CommandRule& rule) {
  const std::string name(rule.name);
  switch (rule.shape) {
    case Shape::none:
      return {name, name + " 1"};
    case Shape::text:
      return {name + " a b ", name};
    case Shape::optional_text:
      return {name, ""};
    case Shape::number:
      return {name + " 7", name};
    case Shape::optional_number:
      return {name, name + " x"};
    case Shape::number_and_lines:
      return {name + " 7 0", name + " 7"};
  }
  return {};
}

TEST(Command, TheWholeTable) {
  std::set<Verb> seen;
  for (const CommandRule& rule : command_rules()) {
    EXPECT_TRUE(seen.insert(rule.verb).second) << rule.name;
    const auto [good, bad] = lines_for(rule);
    for (const State state : kStates) {
      const bool is_legal = (rule.states & static_cast<unsigned>(state)) != 0;
      const auto command = parse_command(good, state);
      EXPECT_EQ(command.has_value(), is_legal) << good;
      if (command) EXPECT_EQ(command->verb, rule.verb) << good;
      if (!bad.empty() && is_legal) {
        const auto fault = parse_command(bad, state);
        ASSERT_FALSE(fault) << bad;
        EXPECT_EQ(fault.error().text, rule.usage);
      }
    }
  }
  EXPECT_EQ(seen.size(), 16U);
}

TEST(Command, IsReadInAnyCase) {
  EXPECT_EQ(parse_command("qUiT", State::authorization)->verb, Verb::quit);
  EXPECT_EQ(parse_command("retr 12", State::transaction)->number, 12U);
  EXPECT_FALSE(parse_command("", State::transaction));
  EXPECT_FALSE(parse_command(" QUIT", State::transaction));
  EXPECT_FALSE(parse_command("QUITT", State::transaction));
  EXPECT_FALSE(parse_command("QUI", State::transaction));
}

TEST(Command, KeepsEveryByteOfAPassword) {
  EXPECT_EQ(parse_command("PASS  two  words ", State::authorization)->text, " two  words ");
  EXPECT_EQ(parse_command("USER alice@example.org", State::authorization)->text,
            "alice@example.org");
  EXPECT_FALSE(parse_command("PASS", State::authorization));
  EXPECT_FALSE(parse_command("PASS ", State::authorization));
}

TEST(Command, Numbers) {
  const auto number = [](const char* line) { return parse_command(line, State::transaction); };
  EXPECT_EQ(number("RETR 0")->number, 0U);
  EXPECT_EQ(number("RETR 007")->number, 7U);
  EXPECT_EQ(number("RETR  7 ")->number, 7U);
  EXPECT_EQ(number("RETR 99999999999")->number, 99'999'999'999U);
  EXPECT_EQ(number("RETR 99999999999999999999999999")->number, UINT64_MAX);
  EXPECT_EQ(number("LIST")->number, std::nullopt);
  EXPECT_EQ(number("LIST ")->number, std::nullopt);
  EXPECT_EQ(number("UIDL 3")->number, 3U);
  for (const char* line : {"RETR", "RETR -1", "RETR +1", "RETR 1x", "RETR 1 2", "RETR 0x1",
                           "LIST 1 2", "TOP 1", "TOP 1 -1", "TOP -1 1", "TOP 1 2 3", "TOP x 1"})
    EXPECT_FALSE(number(line)) << line;
  EXPECT_EQ(number("TOP 3 10")->number, 3U);
  EXPECT_EQ(number("TOP 3 10")->lines, 10U);
}

// RFC 1939 section 4, and a PASS that came too late: what was said is in no answer.
TEST(Command, FaultsRepeatNothing) {
  for (const State state : kStates) {
    const auto fault = parse_command("PAS secret", state);
    ASSERT_FALSE(fault);
    EXPECT_EQ(fault.error().text.find("secret"), std::string_view::npos);
  }
  EXPECT_EQ(parse_command("PASS secret", State::transaction).error().text, "Not after the login");
  EXPECT_EQ(parse_command("STAT", State::authorization).error().text, "Log in first");
}

}  // namespace
}  // namespace posthorn::pop3
