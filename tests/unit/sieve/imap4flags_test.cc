// imap4flags (RFC 5232) and the draft before it: the internal variable, named ones, `:flags`.
#include <gtest/gtest.h>

#include "sieve/extensions/flags.h"
#include "sieve/language/places.h"
#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";

// "fileinto a (\Seen), keep ()", flags behind each action.
std::string flags_told(Outcome outcome) {
  if (outcome.end != Outcome::End::done) return "fault: " + outcome.fault;
  std::string out;
  for (Action& action : outcome.actions) {
    const Flags* flags = flags_of(action);
    if (!out.empty()) out += ", ";
    const auto* into = std::get_if<FileInto>(&action.what);
    out += into != nullptr ? into->place.mailbox : "keep";
    out += " (" + (flags != nullptr ? join_flags(*flags) : "") + ")";
  }
  return out;
}

TEST(Imap4flagsTest, WhatIsKeptTakesTheFlags) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"", "keep ()"},
      {"setflag \"\\\\Seen\";", "keep (\\Seen)"},
      {"setflag [\"a b\", \"A\", \"c\"];", "keep (a b c)"},
      {"setflag \"a\"; setflag \"b\";", "keep (b)"},
      {"setflag \"a\"; addflag [\"b\", \"A\"]; removeflag \"a\";", "keep (b)"},
      {"addflag \"  a   b \"; removeflag \"B  x\";", "keep (a)"},
      // Section 2: what no flag can be is left out.
      {"addflag [\"\\\\Recent\", \"\\\\Nonsense\", \"a(b\", \"\", \"ok\"];", "keep (ok)"},
      // Section 5: `:flags` instead of the internal variable, which stays as it is.
      {"setflag \"a\"; fileinto :flags \"b c\" \"x\"; keep;", "x (b c), keep (a)"},
      {"setflag \"a\"; fileinto :copy :flags \"\" \"x\";", "x (), keep (a)"},
      {"fileinto :copy \"x\"; setflag \"a\";", "x (), keep (a)"},
      {"setflag \"a\"; keep; setflag \"b\";", "keep (a)"},
      // Section 5: of two that are one the last flags win.
      {"keep :flags \"a\"; keep :flags \"b\";", "keep (b)"},
      {"set \"v\" \"a b\"; keep :flags \"${v} c\";", "keep (a b c)"},
      {"setflag \"v\" \"a\"; addflag \"v\" [\"b\", \"A\"]; keep :flags \"${v}\";", "keep (a b)"},
      {"setflag \"v\" \"$f \\\\Seen $f\"; if string :is \"${v}\" \"$f \\\\Seen\" { setflag "
       "\"yes\"; }",
       "keep (yes)"},
      {"set \"V\" \"a b\"; removeflag \"v\" \"a\"; keep :flags \"${v}\";", "keep (b)"},
  };
  for (const auto& [script, actions] : kRows) {
    Tried tried;
    const std::string whole =
        "require [\"imap4flags\", \"variables\", \"fileinto\", \"copy\"];" + std::string(script);
    EXPECT_EQ(flags_told(tried.run(whole, kMail)), actions) << script;
  }
}

TEST(Imap4flagsTest, HasflagComparesEachFlagWithEachKey) {
  const std::pair<std::string_view, bool> kRows[] = {
      {"hasflag \"a\"", true},
      {"hasflag \"A\"", true},
      {"hasflag :comparator \"i;octet\" \"A\"", false},
      {"hasflag \"x b\"", true},
      {"hasflag [\"x\", \"y z\"]", false},
      {"hasflag \"\"", false},
      {"hasflag :contains \"unk\"", true},
      {"hasflag :contains \"\"", false},
      {"hasflag :matches \"J*k\"", true},
      {"hasflag \"v\" \"one\"", true},
      {"hasflag [\"w\", \"v\"] \"two\"", true},
      {"hasflag \"w\" \"one\"", false},
      {"hasflag \"v\" \"a\"", false},
  };
  for (const auto& [test, holds] : kRows) {
    Tried tried;
    const std::string whole =
        "require [\"imap4flags\", \"variables\"]; setflag \"a b Junk\"; set \"v\" \"one two\";"
        "if " +
        std::string(test) + " { discard; }";
    EXPECT_EQ(told(tried.run(whole, kMail)), holds ? "discard" : "keep") << test;
  }
}

TEST(Imap4flagsTest, FlagsGoOnToTheScriptBehind) {
  Tried tried;
  const auto program = [](std::string_view text) {
    return compile("require [\"imap4flags\", \"fileinto\"];" + std::string(text), {}).program;
  };
  EXPECT_EQ(flags_told(tried.run({program("setflag \"a\";"), program("addflag \"b\";")}, kMail)),
            "keep (a b)");
}

TEST(Imap4flagsTest, NamesAndFlagsAreChecked) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"require \"imap4flags\"; setflag \"v\" \"a\";",
       "flags in a variable need `require [\"variables\"]`"},
      {"require [\"imap4flags\", \"variables\"]; setflag \"1v\" \"a\";",
       "\"1v\" is no name of a variable"},
      {"setflag \"a\";", "`setflag` needs `require [\"imap4flags\"]`"},
      {"keep :flags \"a\";", "`:flags` of `keep` needs `require [\"imap4flags\"]`"},
      {"require \"imap4flags\"; setflag;",
       "`setflag` needs flags: a string or a list of strings is missing"},
      {"require \"imap4flags\"; setflag 5;",
       "`setflag` expects a string or a list of strings as flags, found a number"},
  };
  for (const auto& [script, fault] : kRows) {
    const CompileResult result = compile(script, {});
    ASSERT_FALSE(result.faults.empty()) << script;
    EXPECT_EQ(result.faults[0].text, fault) << script;
  }
  const CompileResult doubtful = compile("require \"imap4flags\"; setflag \"\\\\Recent\";", {});
  ASSERT_EQ(doubtful.warnings.size(), 1U);
  EXPECT_EQ(doubtful.warnings[0].text, "`\\Recent` is no flag, it is left out");
}

TEST(Imap4flagsTest, FlagsWithoutEndAreAFault) {
  Tried tried;
  std::string script = "require \"imap4flags\";";
  for (int i = 0; i < 500; ++i) script += "addflag \"flag-number-" + std::to_string(i) + "\";";
  EXPECT_EQ(told(tried.run(script, kMail)),
            "fault: sieve:1: a script may set 4000 bytes of flags at once");
}

TEST(ImapflagsTest, TheDraftsCommandsWorkWithAWarning) {
  const std::string script =
      "require \"imapflags\"; setflag \"a\"; addflag \"b\"; removeflag \"a\"; mark;";
  Tried tried;
  EXPECT_EQ(flags_told(tried.run(script, kMail)), "keep (b \\Flagged)");
  EXPECT_EQ(flags_told(tried.run(script + "unmark;", kMail)), "keep (b)");
  const CompileResult result = compile(script, {});
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_EQ(result.warnings[0].text,
            "`imapflags` is an old draft: `imap4flags` took its place (RFC 5232)");
}

}  // namespace
}  // namespace posthorn::sieve
