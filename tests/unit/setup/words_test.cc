// Proves how text is filled to a terminal, what is said before and after, and how keys of a settings
// file are changed.
#include "setup/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "setup/fill.h"

namespace posthorn::setup {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Fill, KeepsToTheColumns) {
  EXPECT_EQ(fill("one two three four\nfive", 9), "one two\nthree\nfour\nfive");
  EXPECT_EQ(fill("  - one two three four", 12), "  - one two\n    three\n    four");
  EXPECT_EQ(fill("1. one two three\n", 9), "1. one\n   two\n   three\n");
  EXPECT_EQ(fill("a-word-too-long-to-fit and", 9), "a-word-too-long-to-fit\nand");
  EXPECT_EQ(fill("say `a b c d` now", 8), "say\n`a b c d`\nnow");
  EXPECT_EQ(fill("     a command that is longer than this", 12),
            "     a command that is longer than this");
  EXPECT_EQ(fill("\xC3\xA4\xC3\xB6 \xC3\xBC\xC3\xA4 o", 5), "\xC3\xA4\xC3\xB6 \xC3\xBC\xC3\xA4\no");
  EXPECT_EQ(fill("", 10), "");
  EXPECT_EQ(fill("\n\n", 10), "\n\n");
}

Undertaking undertaking() {
  Undertaking it;
  it.answers.hostname = "mail.example.org";
  it.answers.domains = {"example.org", "example.net"};
  it.folder = "/srv/posthorn";
  return it;
}

TEST(Plan, NamesFilesAndNoSecret) {
  Undertaking it = undertaking();
  it.answers.account = {.address = "alice@example.org", .password = "hidden-one"};
  it.answers.relay = {.hop = "[r.test]:587", .login = "me", .password = "hidden-two"};
  const std::string plan = tell_plan(it);
  for (const char* told : {"Below /srv/posthorn:", "mail.example.org", "[r.test]:587",
                           "example.org, example.net", "alice@example.org", "the login me"})
    EXPECT_THAT(plan, HasSubstr(told));
  EXPECT_THAT(plan, Not(HasSubstr("hidden-")));
  it.is_there = true;
  it.changes = {{"server", "hostname", "\"old.test\"", "\"mail.example.org\"", false}};
  it.added = {"example.net"};
  EXPECT_THAT(tell_plan(it),
              HasSubstr("server.hostname = \"mail.example.org\", where \"old.test\""));
  EXPECT_THAT(tell_plan(it), HasSubstr("maps/domains: example.net, too"));
}

TEST(NextSteps, StandInTheOrderThatMatters) {
  Undertaking it = undertaking();
  const std::string steps = tell_next_steps(it, {.conf = " -c /x.toml"});
  std::size_t at = 0;
  for (const char* next :
       {"posthorn user add you@example.org -c /x.toml\n", "posthorn serve -c /x.toml\n",
        "posthorn dkim key example.org -c", "posthorn dkim key example.net -c",
        "posthorn dns example.org -c", "posthorn dns example.net -c", "port 25 in and out",
        "posthorn init /srv/posthorn --acme you@example.org --yes\n",
        "posthorn explain rcpt you@example.org", "server mail.example.org, IMAP 993"}) {
    const std::size_t found = steps.find(next, at);
    EXPECT_NE(found, std::string::npos) << next << "\n" << steps;
    at = std::max(at, found);
  }
}

TEST(NextSteps, LeaveOutWhatIsDone) {
  Undertaking it = undertaking();
  it.answers.account.address = "alice@example.org";
  it.answers.relay.hop = "[r.test]:587";
  it.answers.acme.directory = "letsencrypt";
  const std::string steps = tell_next_steps(
      it, {.conf = "", .service = Standing::Service::running, .has_dkim_keys = true});
  for (const char* told : {"1. The server runs", "posthorn restart\n", "posthorn relay test\n",
                           "posthorn certificate list\n", "explain rcpt alice@example.org"})
    EXPECT_THAT(steps, HasSubstr(told));
  for (const char* not_told : {"user add", "dkim key", "--acme", "posthorn serve"})
    EXPECT_THAT(steps, Not(HasSubstr(not_told)));
}

TEST(SettingsEdit, ChangesOneLine) {
  const std::string text =
      "# mine\n[server]\n  hostname = \"old.test\"  # \"why\" #2\nprofile = \"default\"\r\n"
      "[relay] # through\nresolver = \"127.0.0.1:53\"";
  const auto is = config::read_keys(text, "posthorn.toml");
  ASSERT_TRUE(is) << is.error().what;
  config::Config shall = *is;
  shall.server.hostname = "new.test";
  shall.relay.relayhost = "[r.test]:587";
  const auto changes = find_changes(*is, shall);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_FALSE(changes[0].is_default);
  EXPECT_TRUE(changes[1].is_default);
  const auto edited = edit_settings(text, changes, "posthorn.toml");
  ASSERT_TRUE(edited) << edited.error().what;
  EXPECT_EQ(*edited,
            "# mine\n[server]\n  hostname = \"new.test\" # \"why\" #2\nprofile = \"default\"\r\n"
            "[relay] # through\nrelayhost = \"[r.test]:587\"\nresolver = \"127.0.0.1:53\"");
}

TEST(SettingsEdit, MakesASection) {
  config::Config shall;
  shall.relay.relayhost = "[r.test]:587";
  const auto edited = edit_settings("[server]", find_changes({}, shall), "posthorn.toml");
  ASSERT_TRUE(edited) << edited.error().what;
  EXPECT_EQ(*edited, "[server]\n\n[relay]\nrelayhost = \"[r.test]:587\"\n");
}

// A form that it does not know is left to whoever wrote it, and said with what to set.
TEST(SettingsEdit, LeavesWhatItDoesNotUnderstand) {
  config::Config shall;
  shall.relay.relayhost = "[r.test]:587";
  for (const char* text :
       {"relay.relayhost = \"a\"\n", "[relay]\n\"relayhost\" = \"a\"\n",
        "relay = { relayhost = \"a\" }\n", "[relay]\nrelayhost = \"\"\"\na\"\"\"\n"}) {
    const auto is = config::read_keys(text, "posthorn.toml");
    ASSERT_TRUE(is) << is.error().what;
    const auto edited = edit_settings(text, find_changes(*is, shall), "posthorn.toml");
    ASSERT_FALSE(edited) << *edited;
    EXPECT_THAT(edited.error().what, HasSubstr("relay.relayhost = \"[r.test]:587\""));
  }
}

}  // namespace
}  // namespace posthorn::setup
