// Which script and which line asked for an action: of a block, of a loop, of an included script, of
// several scripts; the implicit keep, a discard, a fault, and a test that has seen the message.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail =
    "Message-ID: <1@example.org>\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=A\r\n\r\n"
    "--A\r\nContent-Type: text/plain\r\n\r\na\r\n--A\r\nContent-Type: image/png\r\n\r\nb\r\n--A--"
    "\r\n";

std::string words_of(const ScriptLine& at) {
  return fmt::format("{}:{}", at.script, at.line);
}

// "main:3" of each action; "implicit main", "fault main:3".
std::string places_of(const Outcome& outcome) {
  std::string out;
  for (const Action& action : outcome.actions) {
    if (!out.empty()) out += ", ";
    if (action.by == Action::By::no_rule)
      out += "implicit " + action.script;
    else
      out +=
          (action.by == Action::By::fault ? "fault " : "") + words_of({action.script, action.line});
  }
  return out;
}

struct PlacesTest : testing::Test {
  ProgramPtr compiled(const std::string& name, const std::string& script) {
    tried.compiling.name = name;
    CompileResult result = compile(script, tried.compiling);
    for (const Fault& fault : result.faults) ADD_FAILURE() << fault.line << ": " << fault.text;
    return std::move(result.program);
  }
  Outcome run(const std::string& script) { return tried.run({compiled("main", script)}, kMail); }
  Tried tried;
};

TEST_F(PlacesTest, OfEachAction) {
  EXPECT_EQ(places_of(run("require [\"fileinto\", \"copy\", \"variables\"];\n"
                          "set \"v\" text:\nA\nB\n.\n;\n"
                          "if true {\n"
                          "  fileinto :copy\n    \"${v}\"; fileinto :copy \"b\";\n"
                          "}\n"
                          "redirect\n :copy \"a@example.org\";\n"
                          "keep;\n")),
            "main:8, main:9, main:11, main:13");
  EXPECT_EQ(places_of(run("require \"reject\";\n\nreject \"no\";\n")), "main:3");
}

TEST_F(PlacesTest, OfWhatWasSaidTwiceTheLastLineCounts) {
  EXPECT_EQ(places_of(run("require \"fileinto\";\nfileinto \"a\";\nkeep;\nfileinto \"a\";\n")),
            "main:4, main:3");
}

TEST_F(PlacesTest, OfAnIncludedScriptItsOwn) {
  tried.compiling.find_script = [](Location, const std::string& name) {
    return std::optional<std::string>(
        name == "outer" ? "require [\"include\", \"fileinto\"];\n\ninclude :global \"inner\";\n"
                          "fileinto \"outer\";\n"
                        : "require \"fileinto\";\nfileinto \"inner\";\n");
  };
  const std::string script =
      "require [\"include\", \"fileinto\"];\ninclude \"outer\";\nfileinto \"main\";\n";
  EXPECT_EQ(places_of(run(script)), "inner:2, outer:4, main:3");
  tried.compiling.name_script = [](Location location, const std::string& name) {
    return (location == Location::global ? "site/" : "bob/") + name;
  };
  EXPECT_EQ(places_of(run(script)), "site/inner:2, bob/outer:4, main:3");
}

TEST_F(PlacesTest, OfALoopOverParts) {
  EXPECT_EQ(places_of(run("require [\"foreverypart\", \"mime\", \"fileinto\"];\n"
                          "foreverypart {\n"
                          "  if header :mime :contenttype \"content-type\" \"image/png\" {\n"
                          "    fileinto \"images\";\n"
                          "    break;\n"
                          "  }\n"
                          "}\n")),
            "main:4");
}

TEST_F(PlacesTest, OfTheKeepThatNobodyAskedFor) {
  EXPECT_EQ(places_of(run("if false {\n  discard;\n}\n")), "implicit main");
  EXPECT_EQ(places_of(tried.run({compiled("a", "stop;"), compiled("b", "")}, kMail)), "implicit b");
  EXPECT_EQ(places_of(tried.run(std::vector<ProgramPtr>(), kMail)), "implicit ");
}

TEST_F(PlacesTest, OfADiscardThereIsNoActionButItsLine) {
  const Outcome outcome = run("if true {\n  discard;\n}\n");
  EXPECT_TRUE(outcome.actions.empty());
  EXPECT_EQ(words_of(outcome.dropped_by), "main:2");
  // The keep of the first is not stored, and the second does not want it.
  const Outcome second = tried.run({compiled("a", "keep;"), compiled("b", "\ndiscard;")}, kMail);
  EXPECT_TRUE(second.actions.empty());
  EXPECT_EQ(words_of(second.dropped_by), "b:2");
  EXPECT_EQ(words_of(run("keep;\n").dropped_by), ":0");
}

TEST_F(PlacesTest, OfAFaultTheLineWhereItHappened) {
  tried.settings.redirects_max = 1;
  const std::string script = "redirect \"a@example.org\";\nif true {\n redirect \"b@x.test\";\n}\n";
  const Outcome outcome = run(script);
  ASSERT_EQ(outcome.end, Outcome::End::fault);
  EXPECT_EQ(words_of(outcome.fault_at), "main:3");
  EXPECT_EQ(places_of(outcome), "fault main:3");
  const Outcome after =
      tried.run({compiled("a", "require [\"fileinto\", \"copy\"];\nfileinto :copy \"a\";"),
                 compiled("main", script)},
                kMail);
  EXPECT_EQ(places_of(after), "a:2, fault main:3");
}

TEST_F(PlacesTest, OfATestThatHasSeenTheMessage) {
  const std::string script =
      "require \"duplicate\";\nif not duplicate { stop; }\nif anyof (duplicate,\n duplicate) { "
      "discard; }\n";
  EXPECT_TRUE(run(script).repeats.empty());
  tried.world.seen.insert("<1@example.org>");
  const Outcome outcome = run(script);
  ASSERT_EQ(outcome.repeats.size(), 2U);
  EXPECT_EQ(words_of(outcome.repeats[0]), "main:2");
  EXPECT_EQ(words_of(outcome.repeats[1]), "main:3");
  EXPECT_EQ(words_of(outcome.dropped_by), "main:4");
}

}  // namespace
}  // namespace posthorn::sieve
