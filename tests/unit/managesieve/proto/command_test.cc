// The grammar of ManageSieve's commands and responses.
#include "managesieve/proto/command.h"

#include <gtest/gtest.h>

#include "managesieve/proto/response.h"

namespace posthorn::managesieve {
namespace {

std::string parsed(std::string_view text, State state = State::after_login) {
  const auto command = parse_command(text, state);
  if (!command) return "fault: " + std::string(command.error().text);
  std::string out;
  for (const std::string& one : command->strings) out += "[" + one + "]";
  return out + std::to_string(command->number);
}

TEST(Command, Arguments) {
  EXPECT_EQ(parsed("PUTSCRIPT \"a\" {5+}\r\nkeep;"), "[a][keep;]0");
  EXPECT_EQ(parsed("putscript {1}\r\na {0+}\r\n"), "[a][]0");
  EXPECT_EQ(parsed("PutScript \"a\"  \"keep;\" "), "[a][keep;]0");
  EXPECT_EQ(parsed("SETACTIVE \"\""), "[]0");
  EXPECT_EQ(parsed("SETACTIVE \"a \\\"b\\\" \\\\ c\""), "[a \"b\" \\ c]0");
  EXPECT_EQ(parsed("SETACTIVE \"Grüße\""), "[Grüße]0");
  EXPECT_EQ(parsed("HAVESPACE \"a\" 4294967295"), "[a]4294967295");
  EXPECT_EQ(parsed("NOOP"), "0");
  EXPECT_EQ(parsed("NOOP \"x\""), "[x]0");
  EXPECT_EQ(parsed("AUTHENTICATE \"PLAIN\"", State::before_login), "[PLAIN]0");
  EXPECT_EQ(parsed("AUTHENTICATE \"PLAIN\" {4+}\r\nQQ==", State::before_login), "[PLAIN][QQ==]0");
}

TEST(Command, WhatIsNone) {
  for (const std::string_view text : {"",
                                      " ",
                                      "X",
                                      "PUTSCRIPT",
                                      "PUTSCRIPT \"a\"",
                                      "PUTSCRIPT \"a\" b",
                                      "PUTSCRIPT a \"b\"",
                                      "PUTSCRIPT \"a\" \"b\" \"c\"",
                                      "PUTSCRIPT \"a\" {5+}\r\nkee",
                                      "PUTSCRIPT \"a\" {+}\r\n",
                                      "PUTSCRIPT \"a\" {x}\r\n",
                                      "PUTSCRIPT \"a\" {99999999999999999999+}\r\n",
                                      "SETACTIVE \"a",
                                      "SETACTIVE \"a\\\"",
                                      "SETACTIVE \"a\\n\"",
                                      "SETACTIVE \"\xff\"",
                                      "SETACTIVE a",
                                      "HAVESPACE \"a\"",
                                      "HAVESPACE \"a\" x",
                                      "HAVESPACE \"a\" -1",
                                      "HAVESPACE \"a\" 4294967296",
                                      "HAVESPACE \"a\" 99999999999999999999",
                                      "LISTSCRIPTS x",
                                      "LOGOUT \"x\"",
                                      "NOOP x",
                                      "NOOP \"a\" \"b\"",
                                      "PUTSCRIPT\t\"a\" \"b\""})
    EXPECT_TRUE(parsed(text).starts_with("fault: ")) << text;
  EXPECT_TRUE(parsed("SETACTIVE \"a\rb\"").starts_with("fault: "));
  EXPECT_TRUE(parsed(std::string_view("SETACTIVE \"a\0b\"", 15)).starts_with("fault: "));
}

TEST(Command, EachIsLegalWhereTheTableSays) {
  for (const CommandRule& rule : command_rules()) {
    for (const State state : {State::before_login, State::after_login}) {
      std::string text(rule.name);
      if (rule.shape == Shape::string || rule.shape == Shape::string_and_optional_string)
        text += " \"a\"";
      if (rule.shape == Shape::two_strings) text += " \"a\" \"b\"";
      if (rule.shape == Shape::string_and_number) text += " \"a\" 1";
      const auto command = parse_command(text, state);
      EXPECT_EQ(command.has_value(), (rule.states & static_cast<unsigned>(state)) != 0) << text;
      if (command) EXPECT_EQ(command->verb, rule.verb);
    }
  }
}

TEST(LiteralSize, AtTheEndOfALine) {
  EXPECT_EQ(find_literal_size("PUTSCRIPT \"a\" {12+}"), 12U);
  EXPECT_EQ(find_literal_size("{0}"), 0U);
  EXPECT_EQ(find_literal_size("{99999999999999999999+}"), UINT64_MAX);
  for (const std::string_view line : {"", "}", "{}", "{+}", "{-1}", "{1x}", "{1}x", "{1++}"})
    EXPECT_FALSE(find_literal_size(line)) << line;
}

TEST(Response, Strings) {
  EXPECT_EQ(format_string("a \"b\" \\"), "\"a \\\"b\\\" \\\\\"");
  EXPECT_EQ(format_string(""), "\"\"");
  EXPECT_EQ(format_string("a\r\nb"), "{4}\r\na\r\nb");
  EXPECT_EQ(format_string("\xff"), "{1}\r\n\xff");
  EXPECT_EQ(format_string(std::string(1025, 'x')), "{1025}\r\n" + std::string(1025, 'x'));
  EXPECT_EQ(format_response(Status::no, code::kActive, "x"), "NO (ACTIVE) \"x\"\r\n");
  EXPECT_EQ(format_response(Status::bye, code::kNone, ""), "BYE\r\n");
  EXPECT_EQ(format_tagged("a\nb", "Done"), "OK (TAG {3}\r\na\nb) \"Done\"\r\n");
}

TEST(Response, NotifyOnlyWhereTheEngineHasIt) {
  const auto text = [](std::vector<std::string_view> extensions) {
    return format_capabilities({.extensions = std::move(extensions),
                                .mechanisms = "PLAIN",
                                .offers_tls = true,
                                .redirects_max = 4,
                                .owner = "alice@example.org"});
  };
  EXPECT_EQ(text({"fileinto", "enotify"}),
            "\"IMPLEMENTATION\" \"Posthorn\"\r\n\"SASL\" \"PLAIN\"\r\n"
            "\"SIEVE\" \"fileinto enotify\"\r\n\"NOTIFY\" \"mailto\"\r\n\"STARTTLS\"\r\n"
            "\"MAXREDIRECTS\" \"4\"\r\n\"LANGUAGE\" \"en\"\r\n\"OWNER\" \"alice@example.org\"\r\n"
            "\"VERSION\" \"1.0\"\r\n");
  EXPECT_EQ(text({"fileinto"}).find("NOTIFY"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::managesieve
