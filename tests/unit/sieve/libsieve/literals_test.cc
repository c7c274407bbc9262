// Proves that the folders and addresses of a script are found as it writes them, with their lines,
// and that comments, other strings and tags are none.
#include "sieve/libsieve/literals.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace posthorn::sieve::libsieve {
namespace {

std::vector<std::string> found(std::string_view script) {
  std::vector<std::string> texts;
  for (const Literal& one : find_literals(script))
    texts.push_back(
        fmt::format("{}{} {}", one.kind == Literal::Kind::folder ? "f" : "a", one.line, one.text));
  return texts;
}

TEST(Literals, AsTheyAreWritten) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(found("require \"fileinto\";\nfileinto \"Work\";\nkeep;\n"), Texts{"f2 Work"});
  EXPECT_EQ(found("if header \"Subject\" \"x\" {\n  FileInto :copy \"a \\\"b\\\\\";\n}\n"),
            Texts{"f2 a \"b\\"});
  EXPECT_EQ(found("fileinto :flags [\"\\\\Seen\", \"x\"] \"Junk\"; redirect \"a@b.test\";"),
            (Texts{"f1 Junk", "a1 a@b.test"}));
  EXPECT_EQ(found("# fileinto \"a\";\n/* redirect\n\"b\"; */ discard;\nredirect\n\n\"c\";"),
            Texts{"a6 c"});
  EXPECT_EQ(found("reject text:\nfileinto \"x\";\n.\n;\nredirect \"d@e.test\";"),
            Texts{"a5 d@e.test"});
  EXPECT_EQ(found("fileinto \"\"; if true { redirect \"\"; }"), (Texts{"f1 ", "a1 "}));
  for (const char* cut :
       {"fileinto", "fileinto \"a", "fileinto \"a\"", "redirect \"\\", "text:", "/*"})
    EXPECT_EQ(found(cut), Texts{}) << cut;
}

}  // namespace
}  // namespace posthorn::sieve::libsieve
