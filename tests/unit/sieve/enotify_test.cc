// enotify with mailto (RFC 5435, 5436), vnd.dovecot.report and debug_log.
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";
constexpr const char* kRequire =
    "require [\"enotify\", \"variables\", \"vnd.dovecot.report\", \"vnd.dovecot.debug\"];";

std::string fault_of(const std::string& script) {
  const CompileResult result = compile(kRequire + script, {});
  return result.faults.empty() ? "" : result.faults[0].text;
}

TEST(EnotifyTest, EachArgumentIsHandedOn) {
  Tried tried;
  const Outcome outcome =
      tried.run(std::string(kRequire) +
                    "notify :from \"Bob <bob@example.net>\" :importance \"1\" :options [\"a=b\"] "
                    ":message \"hi\" \"mailto:carol@example.org?subject=x\";",
                kMail);
  ASSERT_EQ(told(outcome), "notify mailto:carol@example.org?subject=x, keep");
  const auto& notify = std::get<Notify>(outcome.actions[0].what);
  EXPECT_EQ(notify.from, "Bob <bob@example.net>");
  EXPECT_EQ(notify.importance, "1");
  EXPECT_EQ(notify.options, std::vector<std::string>{"a=b"});
  EXPECT_EQ(notify.message, "hi");
  EXPECT_FALSE(notify.fcc);
}

TEST(EnotifyTest, WhatIsNoMethodIsAFault) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"notify \"snailto:a@example.org\";",
       "\"snailto:a@example.org\" is no method of `notify`: there is mailto: alone"},
      {"notify \"mailto:a%23example.org\";",
       "\"mailto:a%23example.org\": \"a#example.org\" is no address"},
      {"notify :from \"\" \"mailto:a@example.org\";",
       "`:from` of `notify` needs an address, found \"\""},
      {"notify :importance \"4\" \"mailto:a@example.org\";",
       "`:importance` is \"1\", \"2\" or \"3\", found \"4\""},
      {"notify :options \"_a=b\" \"mailto:a@example.org\";",
       "`:options` are written as \"name=value\", found \"_a=b\""},
  };
  for (const auto& [script, fault] : kRows) EXPECT_EQ(fault_of(std::string(script)), fault);
  Tried tried;
  EXPECT_EQ(told(tried.run(std::string(kRequire) + "set \"m\" \"tel:1\"; notify \"${m}\";", kMail)),
            "fault: sieve:1: notify: \"tel:1\" is no method of `notify`: there is mailto: alone");
  std::string many = kRequire;
  for (int i = 0; i < 5; ++i) many += "notify \"mailto:a@example.org\";";
  EXPECT_EQ(told(tried.run(many, kMail)), "fault: sieve:1: a script may notify 4 times");
}

TEST(EnotifyTest, TestsOfMethods) {
  const std::pair<std::string_view, bool> kRows[] = {
      {"valid_notify_method \"mailto:a@example.org\"", true},
      {"valid_notify_method [\"mailto:a@example.org\", \"tel:1\"]", false},
      {"valid_notify_method \"MAILTO:a@example.org?body=%C3%A9\"", true},
      {"notify_method_capability \"mailto:a@example.org\" \"Online\" \"maybe\"", true},
      {"notify_method_capability \"mailto:a@example.org\" \"Online\" [\"yes\", \"no\"]", false},
      {"notify_method_capability \"mailto:a@example.org\" \"colour\" \"maybe\"", false},
      {"notify_method_capability \"tel:1\" \"online\" \"maybe\"", false},
  };
  for (const auto& [test, holds] : kRows) {
    Tried tried;
    EXPECT_EQ(told(tried.run(kRequire + ("if " + std::string(test)) + " { discard; }", kMail)),
              holds ? "discard" : "keep")
        << test;
  }
}

TEST(EnotifyTest, EncodeurlKeepsWhatUrisKeep) {
  Tried tried;
  tried.settings.variable_size_max = 10;
  const auto encoded = [&](const std::string& text) {
    const Outcome outcome = tried.run(
        std::string(kRequire) + "set :encodeurl \"u\" \"" + text + "\"; debug_log \"${u}\";",
        kMail);
    return outcome.log.empty() ? outcome.fault : outcome.log[0];
  };
  EXPECT_EQ(encoded("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(encoded("a&b c"), "a%26b%20c");
  EXPECT_EQ(encoded("\xC3\xA9"), "%C3%A9");
  // What does not fit whole is left out.
  EXPECT_EQ(encoded("@@@@"), "%40%40%40");
  EXPECT_EQ(encoded("12345\xC3\xA9"), "12345");
}

TEST(ReportTest, AReportIsAskedFor) {
  Tried tried;
  const Outcome outcome = tried.run(
      std::string(kRequire) + "report :headers_only \"abuse\" \"spam\" \"a@example.org\";", kMail);
  ASSERT_EQ(outcome.actions.size(), 2U) << outcome.fault;
  const auto& report = std::get<Report>(outcome.actions[0].what);
  EXPECT_EQ(report.type, "abuse");
  EXPECT_EQ(report.text, "spam");
  EXPECT_EQ(report.address, "a@example.org");
  EXPECT_EQ(report.what, Report::What::headers);
  EXPECT_EQ(fault_of("report \"a b\" \"x\" \"a@example.org\";"),
            "`report` needs a type such as \"abuse\", found \"a b\"");
  EXPECT_EQ(fault_of("report \"abuse\" \"x\" \"nobody\";"),
            "`report` needs an address, found \"nobody\"");
}

TEST(DebugTest, LinesAreBounded) {
  Tried tried;
  std::string many = kRequire;
  for (int i = 0; i < 101; ++i) many += "debug_log \"x\";";
  EXPECT_EQ(told(tried.run(many, kMail)), "fault: sieve:1: a script may log 100 lines");
}

TEST(ProgramsTest, TheyAreRefusedWithTheReason) {
  for (const std::string_view name : {"pipe", "filter", "execute"}) {
    const CompileResult result = compile(
        "require \"vnd.dovecot." + std::string(name) + "\";\n" + std::string(name) + " \"x\";", {});
    ASSERT_EQ(result.faults.size(), 2U) << name;
    for (const Fault& fault : result.faults)
      EXPECT_EQ(fault.text, "`vnd.dovecot." + std::string(name) +
                                "` is refused: no process of this server runs other programs");
  }
  for (const std::string_view name : extension_names()) EXPECT_NE(name, "vnd.dovecot.pipe");
}

TEST(ImapsieveTest, NobodyIsAnsweredBecauseAClientMovedAMessage) {
  WorldForTests world;
  const Mail mail{.header = "Subject: x\r\n"};
  for (const std::string_view command : {"reject", "ereject", "vacation"}) {
    const std::vector<ProgramPtr> programs = {
        compile("require [\"imapsieve\", \"reject\", \"ereject\", \"vacation\"];" +
                    std::string(command) + " \"x\";",
                {})
            .program};
    const Settings settings;
    const Outcome outcome =
        run_programs(programs, {mail, world, settings, {}, {}, nullptr, RunInput::Event::mailbox});
    EXPECT_EQ(outcome.fault_text, "`" + std::string(command) + "` is not for events of a mailbox");
  }
}

}  // namespace
}  // namespace posthorn::sieve
