// Proves when the next of several scripts runs and what comes of them together, as Pigeonhole has
// it.
#include "sieve/libsieve/sequence.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace posthorn::sieve::libsieve {
namespace {

std::string describe(const Action& action) {
  if (const auto* keep = std::get_if<Keep>(&action))
    return fmt::format("keep[{}]", fmt::join(keep->flags, " "));
  if (const auto* into = std::get_if<FileInto>(&action))
    return fmt::format("{}[{}]", into->mailbox, fmt::join(into->flags, " "));
  if (const auto* redirect = std::get_if<Redirect>(&action)) return "to " + redirect->address;
  if (const auto* reject = std::get_if<Reject>(&action)) return "reject " + reject->reason;
  return "discard";
}

std::string run(std::initializer_list<std::string> texts) {
  std::vector<Script> scripts;
  for (const std::string& text : texts) {
    const std::string_view require = "require [\"fileinto\", \"imap4flags\", \"reject\"];";
    auto script = Script::parse((text.empty() ? "" : std::string(require)) + text, "s");
    EXPECT_TRUE(script) << script.error().what;
    if (!script) return "";
    scripts.push_back(*std::move(script));
  }
  std::vector<const Script*> in_order;
  for (const Script& script : scripts) in_order.push_back(&script);
  const message::Headers headers("Subject: hello\r\n");
  const Outcome outcome = run_in_order(in_order, {headers, 100, "a@b.test", "bob@example.org"});
  std::string text;
  for (const Action& action : outcome.actions)
    text += (text.empty() ? "" : ", ") + describe(action);
  return outcome.fault ? fmt::format("{} !{}", text, outcome.faulty) : text;
}

TEST(Sequence, GoesOnWhileAKeepIsInEffect) {
  const std::string into_b = "fileinto \"B\";";
  EXPECT_EQ(run({}), "keep[]");
  EXPECT_EQ(run({"", "", ""}), "keep[]");
  EXPECT_EQ(run({"", into_b}), "B[]");
  EXPECT_EQ(run({"stop;", into_b}), "B[]");  // the implicit keep is in effect
  EXPECT_EQ(run({"keep;", into_b}), "B[]");  // and stored only behind the last
  EXPECT_EQ(run({"keep; stop;", into_b}), "B[]");
  EXPECT_EQ(run({"discard;", into_b}), "discard");
  EXPECT_EQ(run({"discard; keep;", into_b}), "B[]");
  EXPECT_EQ(run({"fileinto \"A\";", into_b}), "A[]");
  EXPECT_EQ(run({"fileinto \"A\"; stop;", into_b}), "A[]");
  EXPECT_EQ(run({"fileinto \"A\"; keep;", into_b}), "A[], B[]");
  EXPECT_EQ(run({"fileinto \"A\"; keep;", "discard;"}), "A[]");
  EXPECT_EQ(run({"redirect \"x@y.test\";", into_b}), "to x@y.test");
  EXPECT_EQ(run({"redirect \"x@y.test\"; keep;", ""}), "to x@y.test, keep[]");
  EXPECT_EQ(run({"reject \"no\";", into_b}), "reject no");
  EXPECT_EQ(run({"", "keep;", into_b, "fileinto \"C\";"}), "B[]");
  EXPECT_EQ(run({"if header :is \"subject\" \"x\" { discard; }", into_b}), "B[]");
}

TEST(Sequence, OneCopyWithTheFlagsOfBoth) {
  EXPECT_EQ(run({"fileinto \"A\"; keep;", "fileinto \"A\"; keep;"}), "A[], keep[]");
  EXPECT_EQ(run({"redirect \"x@y.test\"; keep;", "redirect \"x@y.test\";"}), "to x@y.test");
  EXPECT_EQ(run({"setflag \"one\"; keep;", "setflag \"two\"; keep;"}), "keep[one two]");
  EXPECT_EQ(run({"setflag \"one\"; fileinto \"A\"; keep;", "setflag \"two\"; fileinto \"A\";"}),
            "A[one two]");
}

TEST(Sequence, TheBoundsHoldForAllTogether) {
  const auto redirects = [](char name, int count) {
    std::string text = "keep;";
    for (int i = 0; i < count; ++i) text += fmt::format("redirect \"{}{}@y.test\";", name, i);
    return text;
  };
  EXPECT_EQ(run({redirects('a', 2), redirects('b', 2)}),
            "to a0@y.test, to a1@y.test, to b0@y.test, to b1@y.test, keep[]");
  // What went wrong counts for nothing, what was before it does, and the message is kept.
  EXPECT_EQ(run({redirects('a', 2), redirects('b', 3), "discard;"}),
            "to a0@y.test, to a1@y.test, keep[] !1");
  EXPECT_EQ(run({redirects('a', 5), "discard;"}), "keep[] !0");
  EXPECT_EQ(run({"fileinto \"A\"; keep;", redirects('b', 5)}), "A[], keep[] !1");
}

}  // namespace
}  // namespace posthorn::sieve::libsieve
