// Proves what an explanation tells: each lookup with its place, each decision with what it rests
// on, in order, and no secret; that answers carry the entries that led to them; and that both are
// bounded.
#include "route/explanation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "route/local_directory.h"
#include "tests/support/tables.h"
#include "tests/support/test_loop.h"
#include "tests/support/watched.h"

namespace posthorn::route {
namespace {

struct ExplanationTest : testing::Test {
  ExplanationTest() {
    files.write("domains", "# ours\nexample.test ok\nother.test ok\n");
    files.write("mailboxes", "alice@example.test ok\nbob@example.test ok\n");
    files.write("aliases",
                "info@example.test team@example.test\n"
                "team@example.test alice@example.test, gone@example.test, out@remote.example\n"
                "@other.test @example.test\n");
    files.write("senders", "news@remote.example alice@example.test\n");
    files.write("transport", "partner.example smtp:[mail.partner.example]:2525\n");
    files.write("relay-sasl", "\n[mail.partner.example]:2525 poster:s3cret:x\n");
    start();
  }
  void start() {
    tables = std::make_unique<maps::Reloader>(loop.scope(), loop.pool(), files.config());
    test::Watched watched(loop, 1h, *tables);
    (void)watched.reload();
    directory = std::make_unique<LocalDirectory>(files.config(), *tables);
  }
  // Each step as "decision text [basis]", without the folder in front of the files.
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const Step& step : told.steps())
      out.push_back(
          bare(fmt::format("{} {} [{}]", to_string(step.decision), step.text, step.basis)));
    return out;
  }
  std::string bare(std::string text) const {
    const std::string folder = files.path("");
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder))
      text.erase(at, folder.size());
    return text;
  }
  bool tells(const std::string& line) const {
    const auto all = lines();
    return std::ranges::find(all, line) != all.end();
  }
  Expansion recipient(const std::string& address) {
    const auto answer = loop.run(directory->recipient({.address = address, .told = &told}));
    return answer && *answer ? **answer : Expansion{};
  }
  Plan plan(const std::string& address, const std::string& sender = "") {
    const auto answer =
        loop.run(directory->plan({.address = address, .sender = sender, .told = &told}));
    return answer && *answer ? **answer : Plan{};
  }

  test::TableFiles files;
  test::TestLoop loop;
  std::unique_ptr<maps::Reloader> tables;
  std::unique_ptr<LocalDirectory> directory;
  Explanation told;
};

TEST_F(ExplanationTest, EachStepStandsWithWhatItRestsOn) {
  const Expansion expansion = recipient("Info@Other.test");
  EXPECT_EQ(expansion.recipients,
            (std::vector<std::string>{"alice@example.test", "out@remote.example"}));
  EXPECT_EQ(bare(fmt::format("{}", fmt::join(expansion.by, " | "))),
            "aliases:3, aliases:1, aliases:2, mailboxes:1 | aliases:3, aliases:1, aliases:2");
  const std::vector<std::string> expected = {
      "lookup other.test is in domains: ok [domains:3]",
      "lookup other.test is in domains: ok [domains:3]",
      "lookup info@other.test is not in aliases [aliases]",
      "lookup info@other.test is not in mailboxes [mailboxes]",
      "lookup @other.test is in aliases: @example.test [aliases:3]",
      "catch_all @other.test catches what nobody else in it has [aliases:3]",
      "same_name @example.test is the same name there: Info@example.test []",
      "lookup example.test is in domains: ok [domains:2]",
      "lookup info@example.test is in aliases: team@example.test [aliases:1]",
      "lookup example.test is in domains: ok [domains:2]",
      "lookup team@example.test is in aliases: alice@example.test, gone@example.test, "
      "out@remote.example [aliases:2]",
      "lookup example.test is in domains: ok [domains:2]",
      "lookup alice@example.test is not in aliases [aliases]",
      "lookup alice@example.test is in mailboxes: ok [mailboxes:1]",
      "mailbox alice@example.test is a mailbox of ours [mailboxes:1]",
      "lookup example.test is in domains: ok [domains:2]",
      "lookup gone@example.test is not in aliases [aliases]",
      "lookup gone@example.test is not in mailboxes [mailboxes]",
      "lookup @example.test is not in aliases [aliases]",
      "target_gone team@example.test leads to gone@example.test, which nobody has []",
      "lookup remote.example is not in domains [domains]",
      "remote out@remote.example is of another server []"};
  EXPECT_EQ(lines(), expected);
}

TEST_F(ExplanationTest, ATagIsToldOfAndWhyMailIsRefused) {
  (void)recipient("bob+Work@example.test");
  EXPECT_TRUE(tells("tag_cut bob+work@example.test is bob@example.test with the tag Work []"))
      << fmt::format("{}", fmt::join(lines(), "\n"));
  (void)recipient("x@remote.example");
  EXPECT_TRUE(
      tells("relay_denied remote.example is not ours, and this sender may not write to "
            "other servers []"));
  EXPECT_FALSE(*loop.run(directory->sender({"bob@example.test", "news@remote.example", &told})));
  EXPECT_TRUE(
      tells("refused bob@example.test is not among those who may send as "
            "news@remote.example [senders:1]"));
  EXPECT_TRUE(*loop.run(directory->sender({"alice@example.test", "news@remote.example", &told})));
  EXPECT_TRUE(
      tells("sender_listed alice@example.test may send as news@remote.example [senders:1]"));
  EXPECT_TRUE(*loop.run(directory->sender({"alice@example.test", "info@example.test", &told})));
  EXPECT_TRUE(
      tells("sender_leads info@example.test leads to the account's own mailbox, so it may "
            "send so []"));
}

TEST_F(ExplanationTest, TheWayOutWithoutThePassword) {
  const Plan way = plan("x@partner.example");
  EXPECT_EQ(bare(std::get<RelayPlan>(way).by), "transport:1, relay-sasl:2");
  EXPECT_EQ(std::get<RelayPlan>(way).password, "s3cret:x");
  EXPECT_TRUE(
      tells("transport mail for partner.example goes by "
            "\"smtp:[mail.partner.example]:2525\" [transport:1]"));
  EXPECT_TRUE(
      tells("lookup [mail.partner.example]:2525 is in relay-sasl: poster:(hidden) "
            "[relay-sasl:2]"));
  EXPECT_TRUE(tells("relay_login its login there is poster []"));
  EXPECT_EQ(fmt::format("{}", fmt::join(lines(), "\n")).find("s3cret"), std::string::npos);
  for (const Step& step : told.steps())
    EXPECT_EQ(step.found.value_or("").find("s3cret"), std::string::npos);

  files.write("relay-sasl", "[mail.partner.example]:2525 s3cret\n");  // a fault, told without it
  start();
  told = {};
  (void)plan("x@partner.example");
  EXPECT_EQ(fmt::format("{}", fmt::join(lines(), "\n")).find("s3cret"), std::string::npos);

  EXPECT_EQ(std::get<MxPlan>(plan("x@remote.example")).by, "");
  EXPECT_TRUE(tells("mx it goes to the hosts that the DNS names for remote.example (MX) []"));
  files.config().relay.relayhost = "[smart.example]:587";
  EXPECT_EQ(std::get<RelayPlan>(plan("x@remote.example")).by, "relay.relayhost");
  EXPECT_EQ(bare(std::get<LocalPlan>(plan("bob+a@example.test")).by), "mailboxes:2");
}

// Where there is one domain it is meant by a bare name: that it is the only one decides.
TEST_F(ExplanationTest, ABareNameRestsOnTheDomainsThatThereAre) {
  files.config().route.bare_names = true;
  (void)recipient("bob");
  EXPECT_TRUE(tells("lookup other.test is in domains: ok [domains:3]"));
  files.write("domains", "example.test ok\n");
  start();
  told = {};
  EXPECT_EQ(recipient("bob").recipients, std::vector<std::string>{"bob@example.test"});
  EXPECT_TRUE(tells("completed bob without a domain means bob@example.test []"));
  (void)recipient("postmaster");
  EXPECT_TRUE(tells("lookup (the first) is in mailboxes: alice@example.test [mailboxes:1]"));
}

TEST_F(ExplanationTest, ATableThatCannotBeAskedIsTold) {
  files.remove("aliases");
  start();
  (void)recipient("bob@example.test");
  ASSERT_FALSE(told.steps().empty());
  EXPECT_EQ(told.steps().back().decision, Decision::unasked);
  EXPECT_EQ(bare(told.steps().back().basis), "aliases");
  EXPECT_NE(told.steps().back().text.find("there is no such file"), std::string::npos);
}

TEST_F(ExplanationTest, StepsAndWaysAreBounded) {
  std::string aliases, list = "list@example.test ";
  for (int i = 0; i < 900; ++i) {
    aliases += fmt::format("m{0}@example.test out{0}@remote.example\n", i);
    list += fmt::format("{}m{}@example.test", i == 0 ? "" : ", ", i);
  }
  files.write("aliases", aliases + list + "\n");
  start();
  const Expansion expansion = recipient("list@example.test");
  ASSERT_EQ(expansion.recipients.size(), 900U);
  ASSERT_EQ(expansion.by.size(), 900U);
  std::size_t octets = 0;
  for (const std::string& by : expansion.by) octets += by.size();
  EXPECT_LE(octets, kByMax + 1000);
  EXPECT_EQ(bare(expansion.by.front()), "aliases:901, aliases:1");
  EXPECT_EQ(expansion.by.back(), "");
  EXPECT_EQ(told.steps().size(), Explanation::kStepsMax);
  EXPECT_GT(told.left_out(), 900U);

  Explanation one;
  one.add({Decision::lookup, std::string(999, 'x') + "äy", "b"});
  EXPECT_EQ(one.steps().front().text, std::string(999, 'x') + "…");
}

TEST(Decision, EachHasAName) {
  for (int i = 0; i <= static_cast<int>(Decision::rewritten); ++i) {
    const auto decision = static_cast<Decision>(i);
    EXPECT_EQ(find_decision(to_string(decision)), decision) << i;
  }
  EXPECT_EQ(find_decision("nonsense"), std::nullopt);
}

}  // namespace
}  // namespace posthorn::route
