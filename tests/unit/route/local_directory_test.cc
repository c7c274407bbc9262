// Proves what mail may come in, go through and leave as whom. The open relay matrix stands here row
// by row with the exact reply; then what must be accepted, how aliases expand, who may send as
// what, and by which way mail leaves. A table that cannot be asked is never "unknown" and never "go
// on".
#include "route/local_directory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "tests/support/captured_log.h"
#include "tests/support/tables.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::route {
namespace {

struct DirectoryTest : testing::Test {
  DirectoryTest() {
    files.write("domains", "example.test ok\nother.test ok\n");
    files.write("mailboxes",
                "alice@example.test ok\nbob@example.test ok\ncarol@other.test ok\n"
                "dora@example.test ok\ndora+own@example.test ok\n");
    files.write("aliases",
                "info@example.test alice@example.test\n"
                "team@example.test alice@example.test, bob@example.test, info@example.test\n"
                "out@example.test friend@remote.example\n"
                "mixed@example.test Alice+Lists@Example.Test, Friend@Remote.EXAMPLE\n"
                "bob@example.test bob@example.test, alice@example.test\n"
                "hans+sport@example.test bob@example.test\n"
                "hans@example.test alice@example.test\n"
                "@other.test bob@example.test\n");
    files.write("senders",
                "news@remote.example alice@example.test, BOB@example.test\n"
                "@lists.example alice@example.test\n"
                "one@lists.example bob@example.test\n");
    files.write("transport",
                "partner.example smtp:[mail.partner.example]:2525\n"
                "mx.example smtp:relay.example:26\n"
                "direct.example smtp:\n"
                "colon.example :\n"
                ".internal.example smtp:[10.0.0.5]\n"
                "closed.example error:Not from here\n"
                "closed2.example error:\n"
                "vip@partner.example smtp:[vip.partner.example]\n");
    files.config().relay.tls = config::TlsPolicy::encrypt;
    start();
  }
  void start() {
    tables = std::make_unique<maps::Reloader>(loop.scope(), loop.pool(), files.config());
    test::Watched watched(loop, 1h, *tables);
    for (const maps::Finding& finding : watched.reload()) ADD_FAILURE() << finding.text();
    directory = std::make_unique<LocalDirectory>(files.config(), *tables);
  }

  static std::string show(const Refusal& refusal) {
    return fmt::format("{} {}", refusal.code, refusal.enhanced);
  }
  // "550 5.1.1", "a@b c@d", or "cannot be asked".
  std::string recipient(const std::string& address, const std::string& account = "") {
    const auto answer = loop.run(directory->recipient({address, !account.empty()}));
    if (!answer) return "cannot be asked";
    if (!*answer) {
      text = answer->error().text;
      return show(answer->error());
    }
    return fmt::format("{}", fmt::join((*answer)->recipients, " "));
  }
  std::string sender(const std::string& account, const std::string& address) {
    const auto answer = loop.run(directory->sender({account, address}));
    if (!answer) return "cannot be asked";
    return *answer ? "ok" : show(answer->error());
  }
  std::string plan(const std::string& address, const std::string& sender = "",
                   std::optional<std::string> named = {}) {
    const auto answer = loop.run(directory->plan({address, sender, std::move(named)}));
    if (!answer) return "cannot be asked";
    if (!*answer) return show(answer->error());
    if (const auto* local = std::get_if<LocalPlan>(&**answer))
      return fmt::format("local {} '{}'", local->account, local->tag);
    if (const auto* mx = std::get_if<MxPlan>(&**answer)) return "mx " + mx->domain;
    const auto& relay = std::get<RelayPlan>(**answer);
    return fmt::format("relay {}:{}{} {}:{} {}", relay.host, relay.port, relay.use_mx ? " mx" : "",
                       relay.user, relay.password, to_string(relay.tls));
  }

  test::TableFiles files;
  test::TestLoop loop;
  std::unique_ptr<maps::Reloader> tables;
  std::unique_ptr<LocalDirectory> directory;
  std::string text;
};

// Who is not logged in reaches nobody but our own users, however the address is dressed.
TEST_F(DirectoryTest, OpenRelayMatrix) {
  const std::string unknown = "550 5.1.1", denied = "554 5.7.1", malformed = "553 5.1.3",
                    bare = "550 5.1.2";
  const struct {
    std::string address, expected;
  } rows[] = {
      {"victim@remote.example", denied},
      {"victim%remote.example@example.test", unknown},
      {"victim%remote.example@mx.test.example", denied},
      {"victim%remote.example@[127.0.0.1]", denied},
      {"victim%remote.example", bare},
      {"\"victim@remote.example\"", bare},
      {"\"victim%remote.example\"", bare},
      {"victim@remote.example@example.test", malformed},
      {"\"victim@remote.example\"@example.test", unknown},
      {"victim@remote.example@[127.0.0.1]", malformed},
      {"@example.test:victim@remote.example", malformed},  // a route is cut off before us
      {"@[127.0.0.1]:victim@remote.example", malformed},
      {"@example.test,@x:victim@remote.example", malformed},
      {"remote.example!victim", bare},
      {"remote.example!victim@example.test", unknown},
      {"remote.example!victim@[127.0.0.1]", denied},
      {"example.test!remote.example!victim", bare},
      {"\"remote.example!victim\"@example.test", unknown},
      {"victim@remote.example.", malformed},
      {"victim@example.test@remote.example", malformed},
      {"victim@[10.9.8.7]", denied},
      {"victim@[IPv6:::1]", denied},
      {"victim@example.test.remote.example", denied},
      {"victim@xexample.test", denied},
      {"victim@sub.example.test", denied},
      {"victim@remote\\@example.test", malformed},
      {std::string("victim\0@example.test", 20), malformed},
      {std::string("victim@remote.example\0@example.test", 35), malformed},
      {"victim%remote", bare},
      {"victim@localhost", denied},
      {"alice@", malformed},
      {"", malformed},
      {"@example.test", malformed},
      {"@", malformed},
      {"\"\"@example.test", malformed},
      {"../../x@example.test", malformed},
      {"\"../../x\"@example.test", unknown},
      {"\"unterminated@example.test", malformed},
      {"alice@example.test> NOTIFY=NEVER <x@remote", malformed},
      {"alice@example.test\t", malformed},
      {"alice@example.test ", malformed},
      {"alice@example.test,victim@remote.example", malformed},
      {"\"alice@example.test,victim@remote.example\"@example.test", unknown},
      {"\"a b\"@example.test", unknown},
      {"alice(c)@example.test", malformed},
      {"alice@example.test\r\nRCPT TO:<victim@remote.example>", malformed},
      {std::string(256, 'a') + "@example.test", malformed},
      {"u@" + std::string(250, 'd') + ".test", malformed},
      {"alice@ex\xd0\xb0mple.test", denied},  // a Cyrillic letter
      {"\xd0\xb0lice@example.test", unknown},
      {"alice@example.test\xff", malformed},
      {"nobody@example.test", unknown},
      {"nobody+tag@example.test", unknown},
      {"alice", bare},
      {"*@example.test", unknown},
      {"%@example.test", unknown},
      {"alice'@example.test", unknown},
  };
  for (const auto& row : rows) EXPECT_EQ(recipient(row.address), row.expected) << row.address;
}

TEST_F(DirectoryTest, Accepted) {
  const struct {
    std::string address, expected;
  } rows[] = {
      {"alice@example.test", "alice@example.test"},
      {"alice@EXAMPLE.Test", "alice@example.test"},
      {"Alice@Example.Test", "Alice@example.test"},
      {"alice+Tag@example.test", "alice+Tag@example.test"},
      {"alice+a+b@example.test", "alice+a+b@example.test"},
      {"alice+@example.test", "alice+@example.test"},
      {"postmaster@example.test", "alice@example.test"},  // nobody set one up
      {"Postmaster@Example.Test", "alice@example.test"},
      {"postmaster", "alice@example.test"},
      {"POSTMASTER", "alice@example.test"},
      {"info@example.test", "alice@example.test"},
      {"INFO@example.test", "alice@example.test"},
      {"info+x@example.test", "alice+x@example.test"},
      {"team@example.test", "alice@example.test bob@example.test"},  // each once
      {"out@example.test", "friend@remote.example"},
      {"mixed@example.test", "alice+lists@example.test friend@remote.example"},
      {"bob@example.test", "bob@example.test alice@example.test"},
      {"hans@example.test", "alice@example.test"},
      {"hans+sport@example.test", "bob@example.test alice@example.test"},  // the exact alias first
      {"hans+art@example.test", "alice+art@example.test"},
      {"carol@other.test", "carol@other.test"},  // a mailbox before the catch-all
      {"carol+x@other.test", "carol+x@other.test"},
      {"anybody@other.test", "bob@example.test alice@example.test"},
      {"postmaster@other.test", "bob@example.test alice@example.test"},
      {"abuse@example.test", "alice@example.test"},
      {"ABUSE+x@Example.test", "alice@example.test"},
      {"dora+own@example.test", "dora+own@example.test"},
  };
  for (const auto& row : rows) EXPECT_EQ(recipient(row.address), row.expected) << row.address;
}

TEST_F(DirectoryTest, PostmasterIsAlwaysThere) {
  files.config().server.postmaster = "bob@example.test";
  EXPECT_EQ(recipient("postmaster"), "bob@example.test alice@example.test");
  files.config().server.postmaster = "admin@remote.example";  // the operator's own wish
  EXPECT_EQ(recipient("postmaster"), "admin@remote.example");
  EXPECT_EQ(recipient("postmaster@example.test"), "admin@remote.example");
  EXPECT_EQ(recipient("postmaster@remote.example"), "554 5.7.1");
}

// RFC 5321 section 4.5.1, RFC 2142: also at the host, where bounces come from, and at an address of
// it; to who has the name, else to where postmaster of the first domain goes.
TEST_F(DirectoryTest, PostmasterAndAbuseOfTheHost) {
  files.config().server.hostname = "mail.example.test";
  const std::string alice = "alice@example.test", denied = "554 5.7.1";
  const std::vector<std::string> all = {"postmaster@mail.example.test",
                                        "POSTmaster@MAIL.example.TEST",
                                        "abuse@mail.example.test",
                                        "postmaster+x@mail.example.test",
                                        "postmaster@[127.0.0.1]",
                                        "Abuse@[127.0.0.1]",
                                        "postmaster@[IPv6:::1]",
                                        "postmaster@[ipv6:0:0:0:0:0:0:0:1]",
                                        "postmaster",
                                        "PostMaster",
                                        "postmaster@example.test",
                                        "abuse@example.test"};
  for (const std::string& address : all) {
    EXPECT_EQ(recipient(address), alice) << address;
    EXPECT_EQ(recipient(address, "bob@example.test"), alice) << address;
  }
  EXPECT_EQ(recipient("alice@mail.example.test"), denied);
  EXPECT_EQ(recipient("alice@[127.0.0.1]"), denied);
  EXPECT_EQ(recipient("postmaster@[192.0.2.1]"), denied);
  EXPECT_EQ(recipient("postmaster@[192.0.2.1]", alice), "postmaster@[192.0.2.1]");
  EXPECT_EQ(recipient("postmaster@remote.example"), denied);
  EXPECT_EQ(recipient("postmaster@sub.mail.example.test"), denied);
  EXPECT_EQ(recipient("hostmaster@example.test"), "550 5.1.1");

  // Whoever has the name has it; an alias may lead to the host's.
  files.write("aliases",
              "postmaster@example.test bob@example.test\n"
              "abuse@other.test carol@other.test\n"
              "root@example.test postmaster@mail.example.test, carol@other.test\n"
              "gone@example.test nobody@example.test\n");
  start();
  const std::string bob = "bob@example.test", carol = "carol@other.test";
  EXPECT_EQ(recipient("postmaster"), bob);
  EXPECT_EQ(recipient("postmaster@mail.example.test"), bob);
  EXPECT_EQ(recipient("abuse@[127.0.0.1]"), bob);
  EXPECT_EQ(recipient("postmaster@other.test"), bob);
  EXPECT_EQ(recipient("abuse@example.test"), bob);
  EXPECT_EQ(recipient("abuse@other.test"), carol);
  EXPECT_EQ(recipient("root@example.test"), bob + " " + carol);
  files.config().server.default_domain = "other.test";
  EXPECT_EQ(recipient("abuse@mail.example.test"), carol);
  files.config().server.postmaster = "admin@far.example";
  EXPECT_EQ(recipient("postmaster"), "admin@far.example");
  EXPECT_EQ(recipient("postmaster@mail.example.test"), "admin@far.example");
  EXPECT_EQ(recipient("postmaster@other.test"), "admin@far.example");
  EXPECT_EQ(recipient("postmaster@example.test"), bob);
  files.config().server.postmaster = "nobody@example.test";
  EXPECT_EQ(recipient("postmaster@other.test"), alice);  // not there: the first mailbox

  // Nobody at all: refused, for no mail could be kept; the check warns of it.
  files.config().server.postmaster.clear();
  files.write("mailboxes", "# none\n");
  files.write("aliases", "# none\n");
  start();
  for (const std::string& address : all) EXPECT_EQ(recipient(address), "550 5.1.1") << address;
  EXPECT_EQ(text.find("alice"), std::string::npos) << text;
}

// virtual(5): "@old @new" is the same name in the other domain, and no catch-all.
TEST_F(DirectoryTest, AliasDomains) {
  files.write("domains", "example.test ok\nold.test ok\nolder.test ok\noldest.test ok\n");
  files.write("mailboxes", "alice@example.test ok\nbob@example.test ok\nown@old.test ok\n");
  const std::string exact =
      "vip@old.test bob@example.test\nlist@example.test alice@older.test, nobody@oldest.test\n"
      "one@oldest.test @example.test\nalice@oldest.test @example.test\n";
  const std::string as_text = exact +
                              "@old.test @example.test\n@older.test @old.test\n"
                              "@oldest.test @Older.Test\n";
  const std::string as_patterns =
      "/^(.*)@old\\.test$/ $1@example.test\n/^(.*)@older\\.test$/ @old.test\n"
      "/^[^@]*@oldest\\.test$/ @older.test\n";
  const struct {
    std::string address, expected;
  } rows[] = {
      {"alice@old.test", "alice@example.test"},
      {"ALICE@Old.Test", "ALICE@example.test"},
      {"alice+Work@old.test", "alice+Work@example.test"},
      {"alice+a+b@older.test", "alice+a+b@example.test"},
      {"alice+Work@oldest.test", "alice+Work@example.test"},
      {"list@old.test", "alice@example.test"},
      {"nobody@old.test", "550 5.1.1"},
      {"nobody@oldest.test", "550 5.1.1"},
      {"one@oldest.test", "550 5.1.1"},
      {"vip@older.test", "bob@example.test"},  // the exact one goes before @domain
      {"postmaster@oldest.test", "alice@example.test"},
  };
  const auto check = [&](const std::string& name) {
    for (const auto& row : rows) {
      // Patterns are matched in lower case.
      EXPECT_EQ(recipient(row.address),
                name == "patterns" ? message::to_lower(row.expected) : row.expected)
          << name << " " << row.address;
    }
    (void)recipient("nobody@oldest.test");
    EXPECT_EQ(text, "<nobody@oldest.test>: User unknown") << name;
    EXPECT_EQ(sender("alice@example.test", "alice@old.test"), "ok") << name;
    EXPECT_EQ(sender("alice@example.test", "alice+x@oldest.test"), "ok") << name;
    EXPECT_EQ(sender("bob@example.test", "alice@old.test"), "553 5.7.1") << name;
    EXPECT_EQ(sender("bob@example.test", "vip@older.test"), "ok") << name;
    EXPECT_EQ(sender("alice@example.test", "nobody@old.test"), "553 5.7.1") << name;
  };
  files.write("aliases", as_text);
  start();
  check("text");
  EXPECT_EQ(recipient("own@old.test"), "own@old.test");  // a mailbox goes before @domain
  files.write("patterns", "/^unused@/ alice@example.test\n");
  files.config().maps.aliases = {"text:aliases", "regexp:patterns"};
  start();
  check("text beside patterns");
  files.write("aliases", exact);
  files.write("patterns", as_patterns);
  start();
  check("patterns");
  // A loop that no check sees ends.
  files.write("patterns", "/@old\\.test$/ @older.test\n/@older\\.test$/ @old.test\n");
  start();
  EXPECT_EQ(recipient("x@old.test"), "554 5.4.6");
  files.config().maps.aliases = {"static:@example.test"};
  start();
  EXPECT_EQ(recipient("alice+t@old.test"), "alice+t@example.test");
  EXPECT_EQ(recipient("nobody@old.test"), "554 5.4.6");
}

// An alias whose target is gone: the others have the mail, the sender hears nothing of it, the log
// does.
TEST_F(DirectoryTest, TargetsThatAreGone) {
  files.write("aliases",
              "some@example.test gone@example.test, alice@example.test, bob@example.test\n"
              "none@example.test gone@example.test, gone2@example.test\n"
              "deep@example.test none@example.test\n"
              "both@example.test deep@example.test, none@example.test, some@example.test\n"
              "twice@example.test none@example.test, deep@example.test\n"
              "@other.test gone@example.test\n");
  start();
  const test::CapturedLog log;
  EXPECT_EQ(recipient("some@example.test"), "alice@example.test bob@example.test");
  EXPECT_EQ(log.count("event=route.target.gone"), 1);
  EXPECT_EQ(log.count("alias=some@example.test target=gone@example.test"), 1);
  EXPECT_EQ(recipient("both@example.test"), "alice@example.test bob@example.test");
  for (const std::string address :
       {"none@example.test", "deep@example.test", "twice@example.test", "x@other.test"}) {
    EXPECT_EQ(recipient(address), "550 5.1.1") << address;
    EXPECT_EQ(text, "<" + address + ">: User unknown");
  }
  EXPECT_EQ(sender("alice@example.test", "some@example.test"), "ok");
  EXPECT_EQ(sender("alice@example.test", "none@example.test"), "553 5.7.1");
}

TEST_F(DirectoryTest, WhoIsLoggedInMayRelay) {
  const std::string alice = "alice@example.test";
  EXPECT_EQ(recipient("victim@remote.example", alice), "victim@remote.example");
  EXPECT_EQ(recipient("x@[192.0.2.1]", alice), "x@[192.0.2.1]");
  EXPECT_EQ(recipient("nobody@example.test", alice), "550 5.1.1");
  EXPECT_EQ(recipient("team@example.test", alice), "alice@example.test bob@example.test");
  EXPECT_EQ(recipient("alice", alice), "550 5.1.2");  // two domains: nobody knows whose
  files.config().server.default_domain = "example.test";
  EXPECT_EQ(recipient("alice", alice), "alice@example.test");
  EXPECT_EQ(recipient("\"victim@remote.example\"", alice), "550 5.1.1");  // a name, not an address
  EXPECT_EQ(recipient("alice"), "550 5.1.2");
}

TEST_F(DirectoryTest, WhatThePeerIsToldIsOneCleanLine) {
  (void)recipient("nobody@example.test");
  EXPECT_EQ(text, "<nobody@example.test>: User unknown");
  (void)recipient("victim@remote.example");
  EXPECT_EQ(text, "<victim@remote.example>: Relay access denied");
  (void)recipient("x\r\ny@example.test");
  EXPECT_EQ(text.find_first_of("\r\n"), std::string::npos);
}

TEST_F(DirectoryTest, ListsAreBounded) {
  std::string mailboxes = "alice@example.test ok\nbob@example.test ok\ncarol@other.test ok\n";
  std::string members, one_more;
  for (int i = 0; i < 1'001; ++i) {
    mailboxes += fmt::format("m{}@example.test ok\n", i);
    if (i < 1'000) members += fmt::format("m{}@example.test, M{}@Example.Test,", i, i);
    one_more += fmt::format("m{}@example.test,", i);
  }
  files.write("mailboxes", mailboxes);
  files.write("aliases", fmt::format("all@example.test {}\nmore@example.test {}\n"
                                     "twice@example.test all@example.test, all@example.test\n",
                                     members, one_more));
  start();
  const auto answer = loop.run(directory->recipient({"all@example.test"}));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->recipients.size(), 1'000U);
  EXPECT_EQ(recipient("more@example.test"), "554 5.4.6");
  EXPECT_EQ(recipient("twice@example.test"), recipient("all@example.test"));
}

// Patterns are not checked when they are read, so loops can come up in use.
TEST_F(DirectoryTest, LoopsEnd) {
  files.config().maps.aliases = {"regexp:patterns"};
  files.write("patterns",
              "/^a@example\\.test$/ b@example.test\n"
              "/^b@example\\.test$/ a@example.test\n"
              "/^grow(.*)@example\\.test$/ growx$1@example.test\n"
              "/^two@example\\.test$/ a@example.test, alice@example.test\n"
              "/^wide(.*)@example\\.test$/ wide$1a@example.test, wide$1b@example.test\n"
              "/^nowhere@example\\.test$/ nobody@example.test\n"
              "/^(.*)@lists\\.test$/ $1@example.test\n"
              "/^bad@example\\.test$/ not-an-address\n"
              "/^(.*)@other\\.test$/ $1@remote.example\n");
  start();
  EXPECT_EQ(recipient("a@example.test"), "554 5.4.6");
  EXPECT_EQ(recipient("grow@example.test"), "554 5.4.6");
  EXPECT_EQ(recipient("two@example.test"), "alice@example.test");
  EXPECT_EQ(recipient("wide@example.test"), "554 5.4.6");
  EXPECT_EQ(recipient("nowhere@example.test"), "550 5.1.1");
  EXPECT_EQ(recipient("bad@example.test"), "cannot be asked");
  // What a stranger writes in quotes adds no recipient to the list.
  EXPECT_EQ(recipient("\"x, victim@evil.example, y\"@other.test"),
            "\"x, victim@evil.example, y\"@remote.example");
  EXPECT_EQ(recipient("x@other.test"), "x@remote.example");
}

// virtual(5): patterns see the whole address; a part of it is looked up in the other tables only.
TEST_F(DirectoryTest, PatternsBehindExactNames) {
  files.config().maps.aliases = {"text:aliases", "regexp:patterns"};
  files.write("patterns",
              "/^info@example\\.test$/ bob@example.test\n"
              "/^test[0-9]+@example\\.test$/ alice@example.test\n"
              "!/^[a-z0-9+]+@/ bob@example.test\n"
              "/^hans@/ bob@example.test\n"
              "/^all@other\\.test$/ alice@example.test\n");
  start();
  EXPECT_EQ(recipient("info@example.test"), "alice@example.test");  // the exact one
  EXPECT_EQ(recipient("TEST12@example.test"), "alice@example.test");
  EXPECT_EQ(recipient("test12+tag@example.test"), "550 5.1.1");
  EXPECT_EQ(recipient("testx@example.test"),
            "550 5.1.1");  // "@example.test" is asked of no pattern
  EXPECT_EQ(recipient("all@other.test"), "alice@example.test");
  EXPECT_EQ(recipient("whoever@other.test"), recipient("bob@example.test"));  // @other.test
  EXPECT_EQ(recipient("hans+x@example.test"), "alice+x@example.test");
}

TEST_F(DirectoryTest, SenderRights) {
  const std::string refused = "553 5.7.1", alice = "alice@example.test", bob = "bob@example.test";
  const struct {
    std::string account, address, expected;
  } rows[] = {
      {alice, "alice@example.test", "ok"},
      {alice, "Alice@EXAMPLE.test", "ok"},
      {alice, "alice+news@example.test", "ok"},
      {alice, "info@example.test", "ok"},  // leads to her
      {alice, "info+x@example.test", "ok"},
      {alice, "team@example.test", "ok"},
      {bob, "team@example.test", "ok"},
      {alice, "hans@example.test", "ok"},
      {bob, "hans@example.test", refused},
      {bob, "alice@example.test", refused},
      {bob, "info@example.test", refused},
      {alice, "carol@other.test", refused},
      {bob, "anything@other.test", "ok"},  // the catch-all is his
      {"carol@other.test", "carol@other.test", "ok"},
      {alice, "nobody@example.test", refused},
      {alice, "alice@remote.example", refused},
      {alice, "ceo@remote.example", refused},
      {alice, "news@remote.example", "ok"},  // by the senders table
      {bob, "news@remote.example", "ok"},
      {"carol@other.test", "news@remote.example", refused},
      {alice, "x@lists.example", "ok"},
      {bob, "x@lists.example", refused},
      {bob, "one@lists.example", "ok"},
      {alice, "one@lists.example", refused},  // the exact line counts, not the domain's
      {alice, "", refused},
      {alice, "alice", refused},  // two domains
      {alice, "alice@example.test@example.test", refused},
      {alice, "\"alice@example.test\"", refused},
      {alice, "alice%example.test@remote.example", refused},
      {alice, "alice@example.test.remote.example", refused},
      {alice, "alice@example.test\r\nX: y", refused},
      {"dora@example.test", "dora+x@example.test", "ok"},
      {"dora@example.test", "dora+own@example.test", refused},  // an account of its own
      {"dora+own@example.test", "dora+own@example.test", "ok"},
      {"", "alice@example.test", refused},
      {"", "", refused},
      {"friend@remote.example", "out@example.test", "ok"},  // no such login exists; it leads there
  };
  for (const auto& row : rows)
    EXPECT_EQ(sender(row.account, row.address), row.expected)
        << row.account << " as " << row.address;
}

TEST_F(DirectoryTest, Plans) {
  const struct {
    std::string address, expected;
  } rows[] = {
      {"alice@example.test", "local alice@example.test ''"},
      {"ALICE+Work@Example.Test", "local alice@example.test 'Work'"},
      {"dora+own@example.test", "local dora+own@example.test ''"},
      {"gone@example.test", "550 5.1.1"},
      {"x@anywhere.example", "mx anywhere.example"},
      {"x@Anywhere.Example", "mx anywhere.example"},
      {"x@[192.0.2.1]", "mx [192.0.2.1]"},
      {"x@partner.example", "relay mail.partner.example:2525 : encrypt"},
      {"vip@partner.example", "relay vip.partner.example:25 : encrypt"},
      {"VIP+x@partner.example", "relay vip.partner.example:25 : encrypt"},
      {"x@sub.partner.example", "mx sub.partner.example"},
      {"x@mx.example", "relay relay.example:26 mx : encrypt"},
      {"x@direct.example", "mx direct.example"},
      {"x@colon.example", "mx colon.example"},
      {"x@a.internal.example", "relay 10.0.0.5:25 : encrypt"},
      {"x@b.a.internal.example", "relay 10.0.0.5:25 : encrypt"},
      {"x@internal.example", "mx internal.example"},
      {"x@closed.example", "550 5.1.2"},
      {"x@closed2.example", "550 5.1.2"},
      {"bare", "550 5.1.2"},
      {"", "550 5.1.2"},
  };
  for (const auto& row : rows) EXPECT_EQ(plan(row.address), row.expected) << row.address;
  files.config().relay.relayhost = "[smart.example]:587";
  EXPECT_EQ(plan("x@anywhere.example"), "relay smart.example:587 : encrypt");
  EXPECT_EQ(plan("x@direct.example"), "mx direct.example");
  EXPECT_EQ(plan("alice@example.test"), "local alice@example.test ''");
  files.config().relay.relayhost = "[smart.example";
  EXPECT_EQ(plan("x@anywhere.example"), "cannot be asked");
  files.config().relay.relayhost.clear();
  files.write("transport", "partner.example smtp:[p.example]\n* smtp:[all.example]\n");
  start();
  EXPECT_EQ(plan("x@anywhere.example"), "relay all.example:25 : encrypt");
  EXPECT_EQ(plan("x@partner.example"), "relay p.example:25 : encrypt");
}

// Postfix's sender_dependent_relayhost_maps with smtp_sender_dependent_authentication: the sender
// chooses where transport says nothing of the recipient, and its login goes before the host's.
// Who may not relay reaches another server by an alias of ours alone, whatever the role that took
// the mail says of it.
TEST_F(DirectoryTest, PlansOfStrangers) {
  const std::string denied = "554 5.7.1";
  const struct {
    std::string address, named, expected;
  } rows[] = {
      {"friend@remote.example", "out@example.test", "mx remote.example"},
      {"Friend@remote.example", "mixed@example.test", "mx remote.example"},
      {"friend@REMOTE.example", "OUT@Example.Test", "mx remote.example"},
      {"friend@remote.example", "friend@remote.example", denied},
      {"friend@remote.example", "", denied},
      {"friend@remote.example", "info@example.test", denied},    // it leads elsewhere
      {"other@remote.example", "out@example.test", denied},      // so does this
      {"friend@remote.example", "alice@example.test", denied},   // no alias at all
      {"friend@remote.example", "nobody@example.test", denied},  // nor this
      {"friend@remote.example", "out@example.test, x", denied},
      {"friend@remote.example", "other@remote.example", denied},
      {"x@partner.example", "x@partner.example", denied},  // a transport is no right
      {"x@closed.example", "x@closed.example", denied},
      {"x@[192.0.2.1]", "x@[192.0.2.1]", denied},
      {"bare", "bare", denied},
      {"alice@example.test", "alice@example.test", "local alice@example.test ''"},
      {"alice@example.test", "whatever", "local alice@example.test ''"},
      {"gone@example.test", "gone@example.test", "550 5.1.1"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(plan(row.address, "", row.named), row.expected) << row.address << " " << row.named;
  // One that is gone leads nowhere any more.
  files.write("aliases", "");
  start();
  EXPECT_EQ(plan("friend@remote.example", "", "out@example.test"), denied);
}

TEST_F(DirectoryTest, TheSenderChoosesTheRelay) {
  files.write("sender-relays",
              "@one.test [relay.one.test]:587\n"
              "vip@one.test smtp:[vip.test]\n"
              "@direct.test smtp:\n"
              "plain@direct.test DUNNO\n"
              "@shared.test [relay.one.test]:587\n");
  files.write("relay-sasl",
              "[relay.one.test]:587 host:secret\n"
              "@one.test one:p1\n"
              "[smart.example]:25 all:p0\n"
              "x@direct.test nobody:p\n");
  files.config().maps.sender_relays = {"text:sender-relays"};
  files.config().relay.relayhost = "[smart.example]";
  start();
  const struct {
    std::string sender, to, plan;
  } rows[] = {
      {"", "a@far.test", "relay smart.example:25 all:p0 encrypt"},
      {"a@else.test", "a@far.test", "relay smart.example:25 all:p0 encrypt"},
      {"a@one.test", "a@far.test", "relay relay.one.test:587 one:p1 encrypt"},
      {"A+tag@One.TEST", "a@far.test", "relay relay.one.test:587 one:p1 encrypt"},
      {"vip+x@one.test", "a@far.test", "relay vip.test:25 one:p1 encrypt"},
      {"b@shared.test", "a@far.test", "relay relay.one.test:587 host:secret encrypt"},
      {"b@direct.test", "a@far.test", "mx far.test"},
      {"plain@direct.test", "a@far.test", "relay smart.example:25 all:p0 encrypt"},
      // A transport goes before it, and no sender's login goes to whom it names.
      {"a@one.test", "a@partner.example", "relay mail.partner.example:2525 : encrypt"},
      {"a@one.test", "alice@example.test", "local alice@example.test ''"},
  };
  for (const auto& row : rows) EXPECT_EQ(plan(row.to, row.sender), row.plan) << row.sender;
  files.write("sender-relays", "one.test [relay.one.test]:587\n");
  EXPECT_EQ(maps::load_tables(files.config()).faults.size(), 1U);
}

// Programs of the machine send as its host's where no domain is the default one; what comes of their
// mail finds who is meant, and a stranger's own mail does not.
TEST_F(DirectoryTest, WhoIsToldAtTheHost) {
  files.config().server.hostname = "mail.host.test";
  files.write("aliases", "root@example.test alice@example.test, admin@far.example\n");
  start();
  const auto asked = [&](const std::string& address, bool is_notice) {
    const auto answer =
        loop.run(directory->recipient({.address = address, .is_notice = is_notice}));
    if (!answer) return std::string("cannot be asked");
    if (!*answer) return fmt::format("{} {}", answer->error().code, answer->error().enhanced);
    return fmt::format("{}", fmt::join((*answer)->recipients, " "));
  };
  EXPECT_EQ(asked("alice@mail.host.test", true), "alice@example.test");
  EXPECT_EQ(asked("root@Mail.Host.Test", true), "alice@example.test admin@far.example");
  EXPECT_EQ(asked("root@[127.0.0.1]", true), "alice@example.test admin@far.example");
  EXPECT_EQ(asked("nosuch@mail.host.test", true), "550 5.1.1");
  EXPECT_EQ(asked("alice@elsewhere.test", true), "554 5.7.1");
  EXPECT_EQ(asked("alice@mail.host.test", false), "554 5.7.1");
  EXPECT_EQ(asked("root@mail.host.test", false), "554 5.7.1");
  // Where the alias leads to another server, that is allowed for the notice alone.
  const auto planned = [&](const std::string& sender) {
    const auto answer = loop.run(directory->plan(
        {.address = "admin@far.example", .sender = sender, .named = "root@mail.host.test"}));
    return answer && *answer;
  };
  EXPECT_TRUE(planned(""));
  EXPECT_FALSE(planned("friend@elsewhere.test"));
}

// Where programs are of a domain, nothing of theirs came from the host's name.
TEST_F(DirectoryTest, NobodyIsToldAtTheHostOfADefaultDomain) {
  files.config().server.hostname = "mail.host.test";
  files.config().server.default_domain = "example.test";
  start();
  const auto answer =
      loop.run(directory->recipient({.address = "alice@mail.host.test", .is_notice = true}));
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, 554);
}

// relay.fallback, with the host's own login and never a sender's; not ourselves.
TEST_F(DirectoryTest, Fallbacks) {
  files.write("relay-sasl", "[spare.example]:587 spare:p1\nalice@example.test hers:p2\n");
  files.config().server.hostname = "mail.example.test";
  files.config().relay.fallback = {"[spare.example]:587", "[Mail.Example.Test]", "other.example"};
  start();
  const auto fallbacks = [&](const std::string& address) {
    const auto answer =
        loop.run(directory->plan({.address = address, .sender = "alice@example.test"}));
    std::string shown;
    if (!answer || !*answer) return std::string("none");
    const auto* mx = std::get_if<MxPlan>(&**answer);
    const auto* relay = std::get_if<RelayPlan>(&**answer);
    if (mx == nullptr && relay == nullptr) return std::string("local");
    for (const RelayPlan& one : mx ? mx->fallbacks : relay->fallbacks)
      shown += fmt::format("{}:{} {} {};", one.host, one.port, one.use_mx, one.user);
    return shown;
  };
  const std::string both = "spare.example:587 false spare;other.example:25 true ;";
  EXPECT_EQ(fallbacks("x@anywhere.example"), both);
  EXPECT_EQ(fallbacks("x@partner.example"), both);
  EXPECT_EQ(fallbacks("alice@example.test"), "local");
  files.config().relay.fallback = {"[broken"};
  EXPECT_EQ(plan("x@anywhere.example"), "cannot be asked");
}

TEST_F(DirectoryTest, RelayLoginsForgiveBracketsAndPort) {
  for (const std::string key :
       {"[Smart.Example]:587", "smart.example:587", "[smart.example]", "SMART.example"})
    for (const std::string host :
         {"[smart.example]:587", "smart.example:587", "[SMART.Example]:587"}) {
      files.write("relay-sasl", key + "  apikey:SG.x:y z\n");
      files.config().relay.relayhost = host;
      start();
      EXPECT_TRUE(plan("x@anywhere.example").ends_with(" apikey:SG.x:y z encrypt"))
          << key << " for " << host << ": " << plan("x@anywhere.example");
    }
  // Another port's or another host's login stays where it is.
  files.write("relay-sasl", "[smart.example]:465 a:b\n[other.example] c:d\nexample e:f\n");
  files.config().relay.relayhost = "[smart.example]:587";
  start();
  EXPECT_EQ(plan("x@anywhere.example"), "relay smart.example:587 : encrypt");
}

// A refusal is as sure as the answers that it rests on, and what comes in may rest on old ones.
TEST(OldAnswers, TakeMailAndRefuseNone) {
  test::TableFiles files;
  test::TestLoop loop;
  const auto set = std::make_shared<maps::TableSet>();
  const auto add = [](maps::TableList& list) {
    auto table = std::make_shared<test::FakeTable>();
    list.tables.push_back(table);
    return table;
  };
  add(set->domains)->values = {{"example.test", "ok"}};
  const auto mailboxes = add(set->mailboxes), senders = add(set->senders);
  mailboxes->values = {{"alice@example.test", "ok"}};
  mailboxes->freshness = senders->freshness = maps::Freshness::old;
  const maps::Reloader tables(loop.scope(), loop.pool(), files.config(), set);
  LocalDirectory directory(files.config(), tables);
  const auto recipient = [&](const std::string& address) {
    const auto answer = loop.run(directory.recipient({address}));
    return !answer ? "later" : *answer ? "taken" : to_string(answer->error().reason);
  };
  const auto sender = [&](const std::string& address) {
    const auto answer = loop.run(directory.sender({"alice@example.test", address}));
    return !answer ? "later" : *answer ? "taken" : to_string(answer->error().reason);
  };
  EXPECT_EQ(recipient("alice@example.test"), "taken");
  EXPECT_EQ(recipient("nobody@example.test"), "later");
  // The domains were asked just now, and nothing else had to be.
  EXPECT_EQ(recipient("victim@remote.example"), "relaying");
  EXPECT_EQ(sender("alice@example.test"), "taken");
  EXPECT_EQ(sender("bob@example.test"), "later");
  EXPECT_FALSE(loop.run(directory.plan({"nobody@example.test", ""})));
  mailboxes->freshness = senders->freshness = maps::Freshness::current;
  EXPECT_EQ(recipient("nobody@example.test"), "unknown");
  EXPECT_EQ(sender("bob@example.test"), "not_owner");
}

// Each table in turn cannot be asked: whatever needs it is put off, and nothing is let through,
// refused for good or bounced.
TEST(BrokenTables, AreTemporary) {
  test::TableFiles files;
  files.write("domains", "example.test ok\n");
  files.write("mailboxes", "alice@example.test ok\n");
  test::TestLoop loop;
  const auto set = std::make_shared<maps::TableSet>();
  std::map<std::string, test::FakeTable*> fakes;
  const auto add = [&](const std::string& name, maps::TableList& list) {
    auto table = std::make_unique<test::FakeTable>();
    fakes[name] = table.get();
    list.tables.push_back(std::move(table));
  };
  add("domains", set->domains);
  add("mailboxes", set->mailboxes);
  add("aliases", set->aliases);
  add("senders", set->senders);
  add("transport", set->transport);
  add("relay_sasl", set->relay_sasl);
  set->domain_names = {"example.test"};
  fakes["domains"]->values = {{"example.test", "ok"}};
  fakes["mailboxes"]->values = {{"alice@example.test", "ok"}};
  files.config().relay.relayhost = "[smart.example]";
  const maps::Reloader tables(loop.scope(), loop.pool(), files.config(), set);
  LocalDirectory directory(files.config(), tables);
  const struct {
    std::string broken, question, address;
  } rows[] = {
      {"domains", "recipient", "alice@example.test"},
      {"domains", "recipient", "victim@remote.example"},
      {"domains", "recipient", "nobody@example.test"},
      {"domains", "recipient", "postmaster"},
      {"mailboxes", "recipient", "alice@example.test"},
      {"mailboxes", "recipient", "alice+x@example.test"},
      {"mailboxes", "recipient", "nobody@example.test"},
      {"mailboxes", "recipient", "postmaster@example.test"},
      {"aliases", "recipient", "alice@example.test"},
      {"aliases", "recipient", "nobody@example.test"},
      {"senders", "sender", "bob@example.test"},
      {"domains", "sender", "bob@example.test"},
      {"aliases", "sender", "bob@example.test"},
      {"mailboxes", "sender", "bob@example.test"},
      {"mailboxes", "sender", "alice+x@example.test"},
      {"domains", "plan", "alice@example.test"},
      {"domains", "plan", "x@remote.example"},
      {"mailboxes", "plan", "alice@example.test"},
      {"transport", "plan", "x@remote.example"},
      {"relay_sasl", "plan", "x@remote.example"},
  };
  for (const auto& row : rows) {
    fakes[row.broken]->broken = true;
    ErrorKind kind = ErrorKind::config;
    bool failed = false;
    const auto judge = [&](const auto& answer) {
      failed = !answer.has_value();
      if (failed) kind = answer.error().kind;
    };
    if (row.question == "recipient") judge(loop.run(directory.recipient({row.address})));
    if (row.question == "sender")
      judge(loop.run(directory.sender({"alice@example.test", row.address})));
    if (row.question == "plan") judge(loop.run(directory.plan({row.address, ""})));
    EXPECT_TRUE(failed) << row.broken << " " << row.question << " " << row.address;
    EXPECT_EQ(kind, ErrorKind::temporary) << row.broken << " " << row.question;
    fakes[row.broken]->broken = false;
  }
}

}  // namespace
}  // namespace posthorn::route
