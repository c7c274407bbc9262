// vacation (RFC 5230) and vacation-seconds (RFC 6131): what is asked for, within the bounds.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

using namespace std::chrono_literals;

constexpr const char* kMail = "From: alice@example.org\r\nSubject: sea\r\n\r\nHello\r\n";

Vacation asked(Tried& tried, std::string_view command) {
  const Outcome outcome = tried.run(
      "require [\"vacation\", \"vacation-seconds\", \"variables\"];" + std::string(command), kMail);
  EXPECT_EQ(outcome.end, Outcome::End::done) << outcome.fault;
  EXPECT_TRUE(outcome.keeps);
  for (const Action& action : outcome.actions)
    if (const auto* vacation = std::get_if<Vacation>(&action.what)) return *vacation;
  ADD_FAILURE() << "no vacation: " << command;
  return {};
}

Vacation asked(std::string_view command) {
  Tried tried;
  return asked(tried, command);
}

TEST(VacationTest, EachArgumentIsHandedOn) {
  const Vacation all = asked(
      "vacation :days 3 :subject \"Away\" :from \"Bob <bob@example.net>\" :addresses "
      "[\"b@example.net\", \"B <c@example.net>\"] :mime :handle \"h\" \"Content-Type: "
      "text/plain\r\n\r\nx\";");
  EXPECT_EQ(all.reason, "Content-Type: text/plain\r\n\r\nx");
  EXPECT_EQ(all.subject, "Away");
  EXPECT_EQ(all.from, "Bob <bob@example.net>");
  EXPECT_EQ(all.handle, "h");
  EXPECT_EQ(all.addresses, (std::vector<std::string>{"b@example.net", "c@example.net"}));
  EXPECT_EQ(all.period, 72h);
  EXPECT_EQ(all.form, Vacation::Form::mime);
  EXPECT_FALSE(all.fcc.has_value());
  const Vacation bare = asked("vacation \"x\";");
  EXPECT_EQ(bare.period, 7 * 24h);
  EXPECT_EQ(bare.subject, "");
  EXPECT_EQ(bare.form, Vacation::Form::text);
}

TEST(VacationTest, ThePeriodIsWithinTheSettingsBounds) {
  EXPECT_EQ(asked("vacation :days 0 \"x\";").period, 24h);
  EXPECT_EQ(asked("vacation :seconds 60 \"x\";").period, 24h);
  EXPECT_EQ(asked("vacation :days 30 \"x\";").period, 30 * 24h);
  EXPECT_GT(asked("vacation :days 4G \"x\";").period, 24h * 365 * 50);
  Tried tried;
  tried.settings.vacation_min = 0s;
  tried.settings.vacation_max = 48h;
  tried.settings.vacation_default = 72h;
  EXPECT_EQ(asked(tried, "vacation :seconds 0 \"x\";").period, 0s);
  EXPECT_EQ(asked(tried, "vacation :seconds 1800 \"x\";").period, 1800s);
  EXPECT_EQ(asked(tried, "vacation :days 3 \"x\";").period, 48h);
  EXPECT_EQ(asked(tried, "vacation \"x\";").period, 48h);
}

// Section 4.2: what was answered already is known by what the answer says, as it is written.
TEST(VacationTest, AHandleIsMadeOfTheOtherArguments) {
  const std::string plain = asked("vacation \"x\";").handle;
  EXPECT_EQ(plain.size(), 16U);
  EXPECT_EQ(asked("vacation :days 5 :addresses \"a@example.org\" \"x\";").handle, plain);
  EXPECT_NE(asked("vacation \"y\";").handle, plain);
  EXPECT_NE(asked("vacation :subject \"s\" \"x\";").handle, plain);
  EXPECT_NE(asked("vacation :from \"a@example.org\" \"x\";").handle, plain);
  EXPECT_NE(asked("vacation :mime \"x\";").handle, plain);
  EXPECT_EQ(asked("set \"s\" \"1\"; vacation \"x ${s}\";").handle,
            asked("set \"s\" \"2\"; vacation \"x ${s}\";").handle);
  EXPECT_EQ(asked("set \"s\" \"2\"; vacation \"x ${s}\";").reason, "x 2");
}

TEST(VacationTest, OnceAScript) {
  Tried tried;
  EXPECT_EQ(told(tried.run("require \"vacation\"; vacation \"a\"; vacation \"b\";", kMail)),
            "fault: sieve:1: a script may answer with `vacation` once");
}

TEST(VacationTest, AddressesAreChecked) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"vacation :from \"nobody\" \"x\";",
       "`:from` of `vacation` needs an address, found \"nobody\""},
      {"vacation :addresses [\"a@example.org\", \"b\"] \"x\";",
       "`:addresses` of `vacation` needs addresses, found \"b\""},
      {"vacation :days 1 :days 2 \"x\";", "`:days` stands here twice"},
      {"vacation :seconds 1 \"x\";",
       "`:seconds` of `vacation` needs `require "
       "[\"vacation-seconds\"]`"},
      {"vacation :days \"1\" \"x\";", "`:days` must be followed by a number"},
      {"vacation;", "`vacation` needs a text: a string is missing"},
  };
  for (const auto& [command, fault] : kRows) {
    const CompileResult result = compile("require \"vacation\"; " + std::string(command), {});
    ASSERT_FALSE(result.faults.empty()) << command;
    EXPECT_EQ(result.faults[0].text, fault) << command;
  }
  const CompileResult both =
      compile("require \"vacation-seconds\"; vacation :days 1 :seconds 5 \"x\";", {});
  ASSERT_EQ(both.faults.size(), 1U);
  EXPECT_EQ(both.faults[0].text, "`:days` and `:seconds` exclude each other");
  Tried tried;
  const Outcome outcome = tried.run(
      "require [\"vacation\", \"variables\"]; set \"a\" \"nobody\"; vacation :from \"${a}\" \"x\";",
      kMail);
  EXPECT_EQ(told(outcome), "vacation x, keep");
  ASSERT_EQ(outcome.doubts.size(), 1U);
}

}  // namespace
}  // namespace posthorn::sieve
