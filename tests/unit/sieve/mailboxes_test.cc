// What scripts ask of mailboxes and where things are filed: mailbox, mboxmetadata, servermetadata
// (RFC 5490), special-use (RFC 8579), mailboxid (RFC 9042), fcc (RFC 8580).
#include <gtest/gtest.h>

#include "sieve/extensions/flags.h"
#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";
constexpr const char* kRequire =
    "require [\"mailbox\", \"mboxmetadata\", \"servermetadata\", \"special-use\", \"mailboxid\", "
    "\"fcc\", \"fileinto\", \"copy\", \"variables\", \"imap4flags\", \"vacation\", \"enotify\", "
    "\"encoded-character\"];\n";

std::string required() {
  std::string out = kRequire;
  // Where the table has none yet.
  if (!compile("require \"encoded-character\";", {}).program)
    out.erase(out.find(", \"encoded-character\""), sizeof ", \"encoded-character\"" - 1);
  return out;
}

std::string faults_of(const std::string& script) {
  std::string out;
  for (const Fault& fault : compile(required() + script, {}).faults) out += fault.text + "\n";
  return out.substr(0, out.find('\n'));
}

// "INBOX/a (flags) create use=\Junk id=x"
std::string place_told(const Place& place) {
  std::string out = place.mailbox;
  if (!place.flags.empty()) out += " (" + join_flags(place.flags) + ")";
  if (place.create == Create::yes) out += " create";
  if (!place.special_use.empty()) out += " use=" + place.special_use;
  if (!place.mailbox_id.empty()) out += " id=" + place.mailbox_id;
  return out;
}

std::string places(const std::string& script) {
  Tried tried;
  const Outcome outcome = tried.run(required() + script, kMail);
  if (outcome.end != Outcome::End::done) return "fault: " + outcome.fault;
  std::string out;
  for (const Action& action : outcome.actions) {
    std::optional<Place> place;
    if (const auto* into = std::get_if<FileInto>(&action.what)) place = into->place;
    if (const auto* vacation = std::get_if<Vacation>(&action.what)) place = vacation->fcc;
    if (const auto* notify = std::get_if<Notify>(&action.what)) place = notify->fcc;
    if (place) out += (out.empty() ? "" : ", ") + place_told(*place);
  }
  return out;
}

TEST(MailboxesTest, TestsAskTheWorld) {
  const std::pair<std::string_view, bool> kRows[] = {
      {"mailboxexists \"INBOX\"", true},
      {"mailboxexists [\"INBOX\", \"a\"]", true},
      {"mailboxexists [\"INBOX\", \"b\"]", false},
      {"mailboxexists \"\"", false},
      {"metadataexists \"a\" \"/private/x\"", true},
      {"metadataexists \"a\" [\"/private/x\", \"/Private/X\"]", true},
      {"metadataexists \"a\" [\"/private/x\", \"/private/y\"]", false},
      {"metadataexists \"b\" \"/private/x\"", false},
      {"metadataexists \"a\" \"/other/x\"", false},
      {"metadata \"a\" \"/private/x\" \"VALUE\"", true},
      {"metadata :contains \"a\" \"/private/x\" [\"q\", \"alu\"]", true},
      {"metadata :contains \"a\" \"/private/y\" \"\"", false},
      {"metadata :contains \"a\" \"/private/empty\" \"\"", true},
      {"servermetadata \"/shared/s\" \"yes\"", true},
      {"servermetadata \"/private/x\" \"value\"", false},
      {"servermetadataexists \"/shared/s\"", true},
      {"servermetadataexists [\"/shared/s\", \"/shared/t\"]", false},
      {"specialuse_exists \"\\\\Junk\"", true},
      {"specialuse_exists [\"\\\\Junk\", \"\\\\Sent\"]", false},
      {"specialuse_exists \"a\" \"\\\\Junk\"", true},
      {"specialuse_exists \"INBOX\" \"\\\\Junk\"", false},
      {"mailboxidexists \"F6352ae03\"", true},
      {"mailboxidexists [\"F6352ae03\", \"other\"]", false},
      {"mailboxidexists \"no id\"", false},
  };
  for (const auto& [test, holds] : kRows) {
    Tried tried;
    tried.world.mailboxes.insert("a");
    tried.world.uses["\\Junk"] = "a";
    tried.world.ids["F6352ae03"] = "a";
    tried.world.annotations[{"a", "/private/x"}] = "value";
    tried.world.annotations[{"a", "/private/empty"}] = "";
    tried.world.annotations[{"", "/shared/s"}] = "yes";
    const std::string script = required() + "if " + std::string(test) + " { discard; }";
    EXPECT_EQ(told(tried.run(script, kMail)), holds ? "discard" : "keep") << test;
  }
}

TEST(MailboxesTest, AnAnswerThatIsNotHereYetEndsTheRun) {
  class Slow final : public WorldForTests {
   public:
    Answer<bool> has_mailbox(const std::string&) override { return std::nullopt; }
  };
  Slow world;
  const Mail mail{.header = "Subject: x\r\n"};
  const auto program =
      compile("require \"mailbox\"; if mailboxexists \"a\" { discard; } discard;", {}).program;
  const std::vector<ProgramPtr> programs = {program};
  const Outcome outcome = run_programs(programs, {mail, world, Settings{}, {}});
  EXPECT_EQ(outcome.end, Outcome::End::waiting);
  EXPECT_TRUE(outcome.keeps);
}

TEST(MailboxesTest, TagsSayMoreOfThePlace) {
  EXPECT_EQ(places("fileinto :create \"a/b\";"), "a/b create");
  EXPECT_EQ(places("fileinto :create :copy :flags \"x y\" \"a\";"), "a (x y) create");
  EXPECT_EQ(places("fileinto :specialuse \"\\\\Junk\" \"Spam\";"), "Spam use=\\Junk");
  EXPECT_EQ(places("fileinto :specialuse \"\\\\Junk\" :create \"Spam\";"),
            "Spam create use=\\Junk");
  EXPECT_EQ(places("fileinto :mailboxid \"F1\" \"a\";"), "a id=F1");
  EXPECT_EQ(places("set \"u\" \"junk\"; fileinto :specialuse \"${u}\" \"Spam\";"), "Spam");
  EXPECT_EQ(places("vacation \"x\";"), "");
  EXPECT_EQ(places("vacation :fcc \"Sent\" \"x\";"), "Sent");
  EXPECT_EQ(places("setflag \"other\"; vacation :flags [\"\\\\Seen\", \"a\"] :fcc \"Sent\" :create "
                   "\"x\";"),
            "Sent (\\Seen a) create");
  EXPECT_EQ(places("vacation :specialuse \"\\\\Sent\" :fcc \"Sent\" \"x\";"), "Sent use=\\Sent");
  EXPECT_EQ(places("notify :fcc \"Log\" :mailboxid \"F1\" \"mailto:a@example.org\";"), "Log id=F1");
  // RFC 5228 section 2.10.3: once into a place.
  EXPECT_EQ(places("fileinto \"a\"; fileinto :create \"a\";"), "a create");
  EXPECT_EQ(places("fileinto \"a\"; fileinto :specialuse \"\\\\Junk\" \"a\";"), "a, a use=\\Junk");
}

TEST(MailboxesTest, FaultsAreTold) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {"if specialuse_exists \"Junk\" {}",
       "\"Junk\" is no use of a mailbox: they are written like \"\\\\Sent\""},
      {"fileinto :specialuse \"Junk\" \"a\";",
       "\"Junk\" is no use of a mailbox: they are written like \"\\\\Sent\""},
      {"fileinto :specialuse :create \"a\";", "`:specialuse` must be followed by a string"},
      {"fileinto :specialuse \"\\\\Junk\" :mailboxid \"F1\" \"a\";",
       "`:specialuse` and `:mailboxid` exclude each other"},
      {"vacation :create \"x\";",
       "`:create` of `vacation` says where `:fcc` files: without it there is nothing to file"},
      {"vacation :flags \"a\" \"x\";",
       "`:flags` of `vacation` says where `:fcc` files: without it there is nothing to file"},
      {"vacation :fcc \"\" \"x\";", "`:fcc` needs a mailbox, found \"\""},
      {"keep :create;", "`keep` has no argument `:create`"},
      {"if metadata \"a\" \"/private/x\" {}",
       "`metadata` needs keys: a string or a list of strings is missing"},
  };
  for (const auto& [script, fault] : kRows)
    EXPECT_EQ(faults_of(std::string(script)), fault) << script;
  const CompileResult doubtful =
      compile(required() + "if metadataexists \"a\" [\"/private/*\", \"x\"] {}", {});
  EXPECT_TRUE(doubtful.program);
  EXPECT_EQ(doubtful.warnings.size(), 2U);
}

}  // namespace
}  // namespace posthorn::sieve
