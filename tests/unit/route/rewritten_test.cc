// Proves what the directory makes of rewritten senders: whose are rewritten and whose stay, that a
// good address leads to exactly the one it stands for and a forged, old or foreign one to nobody,
// and that the secrets follow their file, with a fault in it the old ones staying.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "route/local_directory.h"
#include "tests/support/captured_log.h"
#include "tests/support/manual_clock.h"
#include "tests/support/tables.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::route {
namespace {

struct RewrittenTest : testing::Test {
  RewrittenTest() {
    files.write("domains", "example.test ok\nother.test ok\n");
    files.write("mailboxes", "alice@example.test ok\n");
    files.write("aliases", "out@example.test friend@remote.example\n");
    files.write("secret", "# first\n first-secret \r\n\nsecond-secret\n");
    files.config().srs = {.domain = "SRS.example.test",
                          .secret_file = files.path("secret"),
                          .exclude_domains = {"Partner.example", ".group.example"}};
    for (const maps::Finding& finding : watched.reload()) ADD_FAILURE() << finding.text();
    EXPECT_EQ(reload(), "");
  }
  std::string reload() {
    const auto faults = secrets.reload();
    return faults.empty() ? "" : faults.front().text();
  }
  std::string rewrite(const std::string& sender) {
    const auto answer = loop.run(directory.rewrite(sender));
    return answer ? *answer : "cannot be asked";
  }
  std::string recipient(const std::string& address, const std::string& account = "") {
    const auto answer = loop.run(directory.recipient({address, !account.empty()}));
    if (!answer) return "cannot be asked";
    if (!*answer)
      return fmt::format("{} {} {}", answer->error().code, answer->error().enhanced,
                         answer->error().text);
    return fmt::format("{}{}", (*answer)->is_reversed ? "reversed " : "",
                       fmt::join((*answer)->recipients, " "));
  }
  std::string unknown(const std::string& address) {
    return fmt::format("550 5.1.1 <{}>: User unknown", address);
  }

  test::CapturedLog log;
  test::TableFiles files;
  test::TestLoop loop;
  test::ManualClock clock;
  maps::Reloader tables{loop.scope(), loop.pool(), files.config()};
  Rewriter rewriter{loop.pool(), files.config(), clock};
  test::Watched watched{loop, 1h, tables};
  test::Watched secrets{loop, 1h, rewriter};
  LocalDirectory directory{files.config(), tables, &rewriter};
};

TEST_F(RewrittenTest, WhoseSenderIsRewritten) {
  for (const char* stays :
       {"", "alice", "alice@example.test", "Any@Other.TEST", "x@partner.example",
        "x@PARTNER.example", "x@a.group.example", "x@srs.example.test", "x@[192.0.2.1]"})
    EXPECT_EQ(rewrite(stays), stays);
  for (const char* goes : {"carol@far.example", "x@xpartner.example", "x@group.example",
                           "x@sub.example.test", "x@sub.partner.example"}) {
    const std::string made = rewrite(goes);
    EXPECT_TRUE(made.starts_with("SRS0=") && made.ends_with("@srs.example.test")) << made;
    EXPECT_EQ(recipient(made), fmt::format("reversed {}", goes));
  }
}

// Without a login it reaches the one address in it and no other.
TEST_F(RewrittenTest, ForgedOnesReachNobody) {
  const std::string good = rewrite("carol@far.example");
  EXPECT_EQ(recipient(good), "reversed carol@far.example");
  const std::string hash = good.substr(5, 6), day = good.substr(12, 2);
  const std::string at = "@srs.example.test";
  for (const std::string& forged :
       {"SRS0=" + hash + "=" + day + "=far.example=victim" + at,
        "SRS0=" + hash + "=" + day + "=other.example=carol" + at,
        "SRS0=" + hash + "=" + day + "=far.example.test=carol" + at,
        "SRS0=" + hash + "=A" + day.substr(1) + "=far.example=carol" + at,
        "SRS0=AAAAAA=" + day + "=far.example=carol" + at, "SRS0=" + day + "=far.example=carol" + at,
        "SRS0==" + day + "=far.example=carol" + at, "SRS0=far.example=carol" + at,
        "SRS0=" + hash + "=" + day + "=" + at, "SRS0=x" + at, "SRS1=x" + at,
        "SRS1=" + hash + "=" + day + "=far.example=carol" + at,
        "SRS1=" + hash + "=far.example==" + hash + "=" + day + "=far.example=carol" + at,
        "SRS1=" + hash + "=far.example==carol" + at})
    EXPECT_EQ(recipient(forged), unknown(forged));
  // Elsewhere, in quotes or with more behind it, it is an address like others.
  const std::string local = good.substr(0, good.find('@'));
  EXPECT_TRUE(recipient(local + "@far.example").starts_with("554 5.7.1"));
  EXPECT_EQ(recipient(local + "@example.test"), unknown(local + "@example.test"));
  EXPECT_TRUE(recipient("\"" + local + "\"" + at).starts_with("554 5.7.1"));
  EXPECT_TRUE(recipient("carol" + at).starts_with("554 5.7.1"));
  EXPECT_TRUE(recipient("x" + local + at).starts_with("554 5.7.1"));
  EXPECT_EQ(recipient(to_upper(good)), "reversed CAROL@far.example");
}

TEST_F(RewrittenTest, AfterThreeWeeksItSaysSo) {
  const std::string good = rewrite("carol@far.example");
  clock.advance(std::chrono::hours(21 * 24));
  EXPECT_EQ(recipient(good), "reversed carol@far.example");
  clock.advance(std::chrono::hours(24));
  EXPECT_EQ(recipient(good), fmt::format("550 5.1.1 <{}>: This address has expired", good));
}

// A domain that became ours in the meantime: its tables say who is there.
TEST_F(RewrittenTest, BackToOneOfOurOwn) {
  const std::string known = rewrite("out@new.test"), unknown_there = rewrite("nobody@new.test");
  files.write("domains", "example.test ok\nnew.test ok\n");
  files.write("aliases", "out@new.test friend@remote.example\n");
  (void)watched.reload();
  EXPECT_EQ(recipient(known), "reversed friend@remote.example");
  EXPECT_EQ(recipient(unknown_there), unknown("nobody@new.test"));
}

TEST_F(RewrittenTest, ForwardedAgain) {
  const std::string theirs = "SRS0=AbCdEf=XY=far.example=carol@one.example";
  const std::string made = rewrite(theirs);
  EXPECT_TRUE(made.starts_with("SRS1=")) << made;
  EXPECT_EQ(recipient(made), "reversed " + theirs);
}

TEST_F(RewrittenTest, SecretsFollowTheirFile) {
  const std::string good = rewrite("carol@far.example");
  files.write("secret", "new-secret\nfirst-secret\n");
  EXPECT_EQ(reload(), "");
  EXPECT_NE(rewrite("carol@far.example"), good);
  EXPECT_EQ(recipient(good), "reversed carol@far.example");
  const std::string renewed = rewrite("carol@far.example");
  const struct {
    std::string_view text, fault;
  } bad[] = {{"", ":1: it holds no secret"},
             {"# nothing\n", ":1: it holds no secret"},
             {"good-secret\nshort\n", ":2: a secret has at least 8 characters"}};
  for (const auto& [text, fault] : bad) {
    files.write("secret", text);
    EXPECT_EQ(reload(), files.path("secret") + std::string(fault));
    EXPECT_EQ(rewrite("carol@far.example"), renewed);
  }
  files.remove("secret");
  EXPECT_EQ(reload(), files.path("secret") + ":1: there is no such file");
  files.write("secret", "new-secret\n");
  EXPECT_EQ(reload(), "");
  EXPECT_EQ(recipient(good), unknown(good));
  EXPECT_EQ(log.count("-secret"), 0);
}

// A start without a secret: nothing leaves as it should not, and no address is called forged.
TEST_F(RewrittenTest, WithoutASecretItWaits) {
  const std::string good = rewrite("carol@far.example");
  Rewriter none{loop.pool(), files.config(), clock};
  LocalDirectory waiting{files.config(), tables, &none};
  EXPECT_FALSE(loop.run(waiting.rewrite("carol@far.example")));
  EXPECT_FALSE(loop.run(waiting.recipient({good})));
  EXPECT_EQ(*loop.run(waiting.rewrite("alice@example.test")), "alice@example.test");
}

TEST_F(RewrittenTest, OffItIsAnAddressLikeOthers) {
  const std::string good = rewrite("carol@far.example");
  const LocalDirectory off{files.config(), tables};
  LocalDirectory none = off;
  EXPECT_EQ(*loop.run(none.rewrite("carol@far.example")), "carol@far.example");
  const auto answer = loop.run(none.recipient({good}));
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().enhanced, "5.7.1");
}

}  // namespace
}  // namespace posthorn::route
