// What scripts are told: each fault with its place, all of them, and the name that was meant.
#include "sieve/compile.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace posthorn::sieve {
namespace {

std::string faults_of(std::string_view script) {
  std::string out;
  for (const Fault& fault : compile(script, {}).faults) {
    if (!out.empty()) out += "\n";
    out += std::to_string(fault.line) + ":" + std::to_string(fault.column) + " " + fault.text;
  }
  return out;
}

TEST(CompileTest, GoodScriptsHaveNoFaults) {
  for (const std::string_view script :
       {"", "# nothing\n/* at all */", "keep;", "KEEP;", "require \"fileinto\"; fileinto \"x\";",
        "require [\"fileinto\", \"copy\"];\nif header :contains \"subject\" [\"a\", \"b\"] "
        "{ fileinto :copy \"x\"; } elsif size :over 10K { discard; } else { stop; }",
        "if anyof (true, not false, allof (exists \"x\", size :under 2G)) { keep; }",
        "redirect \"a@example.org\";",
        "require \"variables\"; set :lower :upperfirst \"a\" text: # a "
        "comment\r\nx\r\n..\r\n.\r\n;",
        "require \"comparator-i;octet\"; if header :comparator \"i;octet\" :is \"a\" \"b\" {}"})
    EXPECT_EQ(faults_of(script), "") << script;
}

// Rows look only at calls that have what they need, however many faults there were before.
TEST(CompileTest, FaultsBeyondThoseThatAreToldAreFaultsToo) {
  std::string many = "require [\"editheader\", \"index\"];";
  for (int i = 0; i < 120; ++i) many += "deleteheader; addheader; if header :index {}";
  EXPECT_EQ(compile(many, {}).faults.size(), kFaultsMax);
}

TEST(CompileTest, EachFaultIsToldWithItsPlaceAndWhatWasMeant) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"fileinot \"x\";", "1:1 unknown command `fileinot`, did you mean `fileinto`?"},
      {"fileinto \"x\";", "1:1 `fileinto` needs `require [\"fileinto\"]`"},
      {"require \"fileint\";", "1:9 there is no extension `fileint`, did you mean `fileinto`?"},
      {"keep;\nrequire \"copy\";", "2:1 `require` must stand at the beginning of the script"},
      {"if header \"a\" { keep; }",
       "1:4 `header` needs keys: a string or a list of strings is missing"},
      {"if true { keep; ", "1:9 this block never ends: its `}` is missing"},
      {"keep\n", "2:1 expected `;` or a block behind `keep`, found the end of the script"},
      {"keep\ndiscard;", "2:1 a `;` is missing in front of `discard`"},
      {"else { keep; }", "1:1 `else` must follow the block of an `if` or `elsif`"},
      {"redirect \"nobody\";", "1:1 `redirect` needs an address, found \"nobody\""},
      {"if header :contain \"a\" \"b\" {}",
       "1:11 `header` has no argument `:contain`, did you mean `:contains`?"},
      {"if size 10 {}", "1:9 `size` takes no argument"},
      {"if size :over \"10\" {}", "1:9 `:over` must be followed by a number"},
      {"if address \"subject\" \"x\" {}",
       "1:4 `address` cannot look at `subject`: it holds no addresses"},
      {"if keep {}", "1:4 `keep` is a command, no test"},
      {"if size :over 10X {}", "1:15 `10X` is no number: only K, M or G may follow the digits"},
      {"keep; }", "1:7 a `}` that closes no block"},
      {"if header :comparator \"i;none\" \"a\" \"b\" {}", "1:23 there is no comparator `i;none`"},
  };
  for (const auto& [script, fault] : kRows) {
    const std::string told = faults_of(script);
    EXPECT_EQ(told.substr(0, told.find('\n')), fault) << script;
  }
}

TEST(CompileTest, AllFaultsOfAScriptAreTold) {
  EXPECT_EQ(faults_of("kep;\nif tru { discrd; }\nfileinto \"x\";\nredirect 5;\n"),
            "1:1 unknown command `kep`, did you mean `keep`?\n"
            "2:4 unknown test `tru`, did you mean `true`?\n"
            "2:10 unknown command `discrd`, did you mean `discard`?\n"
            "3:1 `fileinto` needs `require [\"fileinto\"]`\n"
            "4:10 `redirect` expects a string as an address, found a number");
}

TEST(CompileTest, PatternsOfAScriptHaveABoundTogether) {
  std::string many = "require \"regex\"; if header :regex \"subject\" [\"x\"";
  std::string refused = many;
  for (int i = 0; i < 20'000; ++i) many += ",\"((a{30}){30}){1}b" + std::to_string(i) + "\"";
  for (int i = 0; i < 1000; ++i)
    refused += ",\"(\\\\w{200}|\\\\pL{200})" + std::to_string(i) + "\"";
  EXPECT_EQ(faults_of(many + "] { keep; }"),
            "1:21 the `:regex` patterns of this script are too large together");
  const std::string told = faults_of(refused + "] { keep; }");
  EXPECT_LT(std::ranges::count(told, '\n'), 30) << told.size();
  EXPECT_NE(told.find("too large together"), std::string::npos);
}

TEST(CompileTest, AFaultRepeatsNoMegabyte) {
  const std::string told = faults_of("redirect \"" + std::string(900'000, 'a') + "@x.test\";");
  EXPECT_LT(told.size(), 500U);
  EXPECT_NE(told, "");
}

TEST(CompileTest, HostileScriptsAreRefusedQuickly) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "if true {";
  EXPECT_NE(faults_of(deep), "");
  std::string nots = "if ";
  for (int i = 0; i < 10'000; ++i) nots += "not ";
  EXPECT_NE(faults_of(nots + "true {}"), "");
  EXPECT_NE(faults_of(std::string((1U << 20U) + 1, ' ')), "");
  std::string wide = "if anyof (true";
  for (int i = 0; i < 100'000; ++i) wide += ",true";
  EXPECT_EQ(faults_of(wide + ") { keep; }"), "");
}

}  // namespace
}  // namespace posthorn::sieve
