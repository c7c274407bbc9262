#include "sieve/libsieve/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/cpu_time.h"
#include "tests/support/tree.h"

namespace posthorn::sieve::libsieve {
namespace {

std::string describe(const Action& action) {
  if (const auto* keep = std::get_if<Keep>(&action))
    return keep->flags.empty() ? "keep" : fmt::format("keep {}", fmt::join(keep->flags, " "));
  if (const auto* into = std::get_if<FileInto>(&action)) return "fileinto " + into->mailbox;
  if (const auto* redirect = std::get_if<Redirect>(&action)) return "redirect " + redirect->address;
  if (const auto* reject = std::get_if<Reject>(&action)) return "reject " + reject->reason;
  return "discard";
}

std::string run(std::string script, std::string_view header, std::uint64_t size = 1000) {
  const auto parsed = Script::parse(std::move(script), "s");
  if (!parsed) return parsed.error().what;
  const message::Headers headers(header);
  const auto actions =
      parsed->run({headers, size, "friend@elsewhere.test", "bob+work@example.org"});
  if (!actions) return actions.error().what;
  std::string text;
  for (const Action& action : *actions) text += (text.empty() ? "" : ", ") + describe(action);
  return text;
}

TEST(Sieve, Actions) {
  const std::string_view ham = "Subject: hello\r\nFrom: a@b\r\n";
  EXPECT_EQ(run("", ham), "keep");
  EXPECT_EQ(run("keep;", ham), "keep");
  EXPECT_EQ(run("# nothing but a comment\n", ham), "keep");
  EXPECT_EQ(run("discard;", ham), "discard");
  EXPECT_EQ(run("require \"fileinto\"; fileinto \"A\";", ham), "fileinto A");
  EXPECT_EQ(run("if header :contains \"subject\" \"HELL\" { redirect \"x@y.test\"; }", ham),
            "redirect x@y.test");
  EXPECT_EQ(run("if header :is \"subject\" \"hell\" { discard; } else { keep; }", ham), "keep");
  EXPECT_EQ(run("if not exists \"list-id\" { stop; } discard;", ham), "keep");
  EXPECT_EQ(run("if anyof (header :is \"subject\" \"x\", size :over 500) { discard; }", ham),
            "discard");
  EXPECT_EQ(run("if allof (header :is \"subject\" \"x\", size :over 500) { discard; }", ham),
            "keep");
  EXPECT_EQ(run("if size :over 2K { discard; }", ham, 3000), "discard");
  EXPECT_EQ(
      run("require \"envelope\"; if envelope :is \"from\" \"friend@elsewhere.test\" { discard; }",
          ham),
      "discard");
}

TEST(Sieve, TheDefaultScriptFilesSpam) {
  const auto text = read_file(test::tests_folder().parent_path() / "sieve/default.sieve");
  ASSERT_TRUE(text && *text);
  EXPECT_EQ(run(**text, "X-Spam-Flag: YES\r\nSubject: x\r\n"), "fileinto Junk");
  EXPECT_EQ(run(**text, "X-Spam-Flag: NO\r\nSubject: x\r\n"), "keep");
  EXPECT_EQ(run(**text, "Subject: x\r\n"), "keep");
}

TEST(Sieve, FaultsNameTheLine) {
  EXPECT_EQ(run("keep;\nfileint \"A\";\n", "").substr(0, 4), "s:2:");
  EXPECT_EQ(run("keep;\n\nif size :over 3G { discard; }", ""), "s:3: a number over 2147483647");
  EXPECT_EQ(run("if header :matches \"subject\" \"*a*a*a*a*b\" { discard; }", ""),
            "s:1: a :matches pattern with more than 3 stars");
  EXPECT_EQ(run(std::string(kScriptMax + 1, ' '), ""), "s:1: a script has at most 1 MiB");
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "if true {";
  EXPECT_EQ(run(deep, ""), "s:1: nested deeper than 15 levels");
}

// Scripts and messages made to be slow or to do much.
TEST(Sieve, HostileOnes) {
  const std::string ham = "Subject: hello\r\n";
  const auto many = [](std::size_t count, const std::string& line) {
    std::string text = "require \"fileinto\";\n";
    for (std::size_t i = 0; i < count; ++i) text += line;
    return text;
  };
  EXPECT_EQ(run(many(1'000, "redirect \"x@y.test\";\n"), ham), "more than 4 redirects");
  EXPECT_EQ(run(many(1'000, "fileinto \"A\";\n"), ham), "more than 32 actions");
  EXPECT_EQ(run(many(4, "redirect \"x@y.test\";\n"), ham).substr(0, 10), "redirect x");
  for (const std::string extension : {"include", "variables", "foreverypart", "editheader",
                                      "vacation", "enotify", "vnd.dovecot.execute"})
    EXPECT_EQ(run("require \"" + extension + "\"; keep;", ham).substr(0, 2), "s:") << extension;

  std::string tests = "if anyof (";
  for (int i = 0; i < 40'000; ++i) tests += "size :over 2G,\n ";
  std::string names = "if header :is [";
  for (int i = 0; i < 50'000; ++i) names += "\"x-n\",";
  std::string wide;
  for (int i = 0; i < 10'000; ++i) wide += "X-N: " + std::string(100, 'a') + "\r\n";
  std::string addresses = "To: ";
  for (int i = 0; i < 100'000; ++i) addresses += fmt::format("u{}@x.test,\r\n ", i);
  const struct {
    std::string script, header;
  } rows[] = {
      {"if size :over 1G { stop; }\n" + many(40'000, "# a comment\n"), ham},
      {tests + "size :over 1G) { discard; }", ham},
      {names + "\"x\"] \"y\" { discard; }", ham},
      {"if header :contains [\"x-n\", \"subject\"] \"b\" { discard; }", wide},
      {"if address :is \"to\" \"nobody@x.test\" { discard; }", addresses + "z@x.test\r\n"},
      {"if address :is \"to\" \"nobody@x.test\" { discard; }",
       "To: " + std::string(1'000'000, '(') + "\r\n"},
  };
  int number = 0;
  for (const auto& row : rows) {
    std::string did;
    const auto took = test::cpu_passes([&] { did = run(row.script, row.header); });
    EXPECT_TRUE(did == "keep" || did.starts_with("s:")) << number << " " << did.substr(0, 200);
    EXPECT_LT(took, test::kPassesMax) << number;
    ++number;
  }
}

// However it is written, a pattern of many stars is refused or does not count as one: libsieve
// would need exponential time for it.
TEST(Sieve, ManyStarsInEveryDisguise) {
  const std::string pattern = "*a*a*a*a*a*a*a*a*a*a*a*a*b";
  std::string escaped;
  for (const char c : pattern) escaped += c == '*' ? std::string("\\*") : std::string(1, c);
  const std::string subject = "Subject: " + std::string(60, 'a') + "\r\n";
  for (const std::string& test :
       {":matches \"subject\" \"" + pattern + "\"", ":MATCHES \"subject\" \"" + pattern + "\"",
        ":matches \"subject\" \"" + escaped + "\"",
        ":matches \"subject\" [\"x\", \"" + pattern + "\"]",
        ":matches \"subject\" text:\n" + pattern + "\n.\n",
        ":matches \"subject\" text: # c\r\n" + pattern + "\r\n.\r\n",
        "\"subject\" \"" + pattern + "\" :matches", "\"subject\" :matches \"" + pattern + "\"",
        ":matches /* ; { */ \"subject\" \"" + pattern + "\"",
        ":matches # ;\n \"subject\" \"" + pattern + "\""}) {
    std::string told;
    const auto took =
        test::cpu_passes([&] { told = run("if header " + test + " { discard; }", subject); });
    EXPECT_TRUE(told.starts_with("s:") || told == "keep") << test << " gave " << told;
    EXPECT_LT(took, test::kPassesMax) << test;
  }
}

TEST(Sieve, ATextBlockEndsAtItsDotAlsoWithCrLf) {
  EXPECT_EQ(run("reject text:\r\nno\r\n.\r\n;\r\nif size :over 3G { discard; }", ""),
            "s:5: a number over 2147483647");
  EXPECT_EQ(run("reject text:\nno\n.\n;\nif size :over 3G { discard; }", ""),
            "s:5: a number over 2147483647");
  EXPECT_EQ(run("reject text:\nif size :over 3G\n.\n;", "").find("a number"), std::string::npos);
}

TEST(Sieve, RunsMayFollowOneAnother) {
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(run("if header :contains \"subject\" \"x\" { discard; }", "Subject: ax\r\n"),
              "discard");
}

}  // namespace
}  // namespace posthorn::sieve::libsieve
