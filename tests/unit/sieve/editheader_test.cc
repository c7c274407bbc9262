// editheader: what a script makes of the header, and what it may not touch.
#include <gtest/gtest.h>

#include "question.h"

namespace posthorn::sieve {
namespace {

constexpr std::string_view kMail =
    "Received: a\r\nX-A: one\r\nX-B: 1\r\nX-A: two\r\nAuto-Submitted: no\r\nX-A: "
    "=?utf-8?Q?dr=C3=A9i?=\r\n"
    "\r\nbody\r\n";

// The header that the implicit keep stores; empty: as it came.
std::string edited(std::string_view commands, const Settings& settings = {}) {
  Tried tried;
  tried.settings = settings;
  const Outcome outcome =
      tried.run("require [\"editheader\", \"variables\", \"index\"];" + std::string(commands),
                std::string(kMail));
  if (outcome.end != Outcome::End::done) return told(outcome);
  const VersionPtr& version = outcome.actions.back().version;
  return version ? version->header : "";
}

TEST(EditheaderTest, AddsAtTheFrontOrTheEnd) {
  EXPECT_TRUE(
      edited("addheader \"X-New\" \"a value\";").starts_with("X-New: a value\r\nReceived:"));
  EXPECT_TRUE(edited("addheader :last \"X-New\" \" v \";").ends_with("?=\r\nX-New: v\r\n"));
  EXPECT_TRUE(edited("addheader \"X-New\" \"Gr\xC3\xBC\xC3\x9F\x65\";")
                  .starts_with("X-New: =?utf-8?B?R3LDvMOfZQ==?=\r\n"));
}

// A stranger's text in a variable begins no field of its own.
TEST(EditheaderTest, AValueIsOneLine) {
  EXPECT_TRUE(edited("addheader \"X-New\" \"a\r\nBcc: b@x\";")
                  .starts_with("X-New: a Bcc: b@x\r\nReceived"));
}

TEST(EditheaderTest, DeletesWhatMatches) {
  const auto left = [](std::string_view command) {
    std::string values;
    const std::string header = edited(command);
    for (const std::string& value : message::Headers(header).find_all("X-A"))
      values += value.substr(0, 3) + " ";
    return values;
  };
  EXPECT_EQ(left("deleteheader \"x-a\";"), "");
  EXPECT_EQ(left("deleteheader :index 2 \"x-a\";"), "one =?u ");
  EXPECT_EQ(left("deleteheader :index 1 :last \"x-a\";"), "one two ");
  EXPECT_EQ(left("deleteheader :matches \"x-a\" [\"t*\", \"dr\xC3\xA9*\"];"), "one ");
  EXPECT_EQ(left("deleteheader :is :comparator \"i;octet\" \"x-a\" \"ONE\";"), "");
  EXPECT_EQ(edited("deleteheader :is :comparator \"i;octet\" \"x-a\" \"ONE\";"), "");
  EXPECT_EQ(edited("deleteheader :index 9 \"x-a\";"), "");
}

TEST(EditheaderTest, SomeFieldsStay) {
  EXPECT_EQ(edited("deleteheader \"received\"; deleteheader \"auto-submitted\";"), "");
  Settings settings;
  settings.headers_protected = {"x-b", "subject"};
  settings.headers_kept = {"x-a"};
  EXPECT_EQ(
      edited("deleteheader \"X-A\"; deleteheader \"X-B\"; addheader \"X-B\" \"x\";", settings), "");
  EXPECT_TRUE(edited("addheader \"Subject\" \"x\";", settings).starts_with("Subject: x\r\n"));
  EXPECT_TRUE(edited("addheader \"X-A\" \"x\";", settings).starts_with("X-A: x\r\n"));
}

TEST(EditheaderTest, AnActionTakesTheHeaderAsItIsThen) {
  Tried tried;
  const Outcome outcome = tried.run(
      "require [\"editheader\", \"fileinto\"]; addheader \"X-New\" \"x\";"
      "fileinto \"a\"; deleteheader \"X-New\"; if exists \"X-New\" { stop; } keep;",
      std::string(kMail));
  ASSERT_EQ(outcome.actions.size(), 2U);
  EXPECT_TRUE(outcome.actions[0].version->header.starts_with("X-New: x\r\n"));
  EXPECT_TRUE(outcome.actions[1].version->header.starts_with("Received: a\r\n"));
}

TEST(EditheaderTest, FaultsOfScriptsAndOfRuns) {
  const auto fault = [](std::string_view command) {
    return first_fault("require [\"editheader\", \"encoded-character\"]; " + std::string(command));
  };
  EXPECT_EQ(fault("addheader \"X A\" \"x\";"), "the field name \"X A\" is invalid");
  EXPECT_EQ(fault("deleteheader \"X:\";"), "the field name \"X:\" is invalid");
  EXPECT_EQ(fault("addheader \"X\" \"a${hex:00}\";"),
            "the value \"a\" of a header field is invalid: it holds a NUL byte");
  EXPECT_EQ(fault("addheader \"X\" \"" + std::string(3000, 'x') + "\";"),
            "the value of a header field may have 2048 bytes, this one has 3000");
  EXPECT_EQ(fault("deleteheader :last \"X\";"), "`:last` needs `:index` with a number");
  EXPECT_EQ(fault("deleteheader :matches \"X\";"), "");
  EXPECT_EQ(fault("deleteheader;"), "`deleteheader` needs a field name: a string is missing");
  EXPECT_EQ(edited("set \"a\" \"X:\"; addheader \"${a}\" \"x\";"),
            "fault: sieve:1: the field name \"X:\" is invalid");
}

}  // namespace
}  // namespace posthorn::sieve
