// Proves that the questions about addresses come through the line protocol unharmed, refusals and
// odd text included, and that a lookup role which is gone, silent, hangs up or talks nonsense is
// "could not be asked": never unknown, never allowed, never a plan.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/listener.h"
#include "route/local_directory.h"
#include "tests/support/fake_directory.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::route {
namespace {

using namespace std::string_literals;

struct RemoteTest : testing::Test {
  RemoteTest() : channel(loop.scope(), net::UnixAddress{folder.path() / "lookup.sock"}) {}
  ~RemoteTest() override {
    channel.close();
    if (listener) listener->stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  void serve(net::LineHandler handler) {
    auto socket = net::bind_socket(net::UnixAddress{folder.path() / "lookup.sock"});
    ASSERT_TRUE(socket) << socket.error().what;
    listener = std::make_unique<net::Listener>(
        loop.scope(), *std::move(socket), net::Listener::Options{.name = "lookup", .refusal = {}},
        [this, handler](net::StreamPtr stream) {
          streams.push_back(stream.get());
          return net::serve_lines(loop.scope(), std::move(stream), handler);
        });
    listener->start();
  }
  void serve_fake() {
    serve([this](net::Message request) { return answer(&fake, std::move(request)); });
  }
  static net::Awaitable<net::Message> answer(Directory* directory, net::Message request) {
    auto message = co_await answer_directory(*directory, request);
    co_return message ? *std::move(message) : net::Message("what");
  }
  static net::Awaitable<net::Message> say(std::string verb) {
    co_return net::Message(std::move(verb));
  }

  test::TempFolder folder;
  test::TestLoop loop;
  test::FakeDirectory fake;
  std::vector<net::Stream*> streams;
  std::unique_ptr<net::Listener> listener;
  net::LineChannel channel;
  RemoteDirectory remote{channel};
};

TEST_F(RemoteTest, AnswersComeThroughUnharmed) {
  const std::string odd = "tab\tline\nreturn\r back\\slash = \x01 \xc3\xa9"s + '\0' + "end";
  Expansion many;
  for (int i = 0; i < 1'000; ++i) many.recipients.push_back(fmt::format("m{}@example.test", i));
  fake.recipients.emplace("list@example.test", many);
  fake.recipients.emplace(odd, Expansion{{odd, "b@x"}});
  fake.recipients.emplace("ways@example.test", Expansion{{"a@x", "b@x", "c@x", "d@x", "e@x"},
                                                         {"", "aliases:7", "aliases:7", odd, ""}});
  fake.recipients.emplace("SRS0=x@example.test",
                          Expansion{.recipients = {"a@x"}, .is_reversed = true});
  fake.recipients.emplace("no@example.test", std::unexpected(Refusal{Reason::relaying, 554, "5.7.1",
                                                                     "multi\r\nline " + odd}));
  fake.senders = {{odd, "alice"}};
  fake.plans.emplace("local@x", LocalPlan{"bob@x", odd, "mailboxes:1"});
  fake.plans.emplace("relay@x", RelayPlan{.host = "h",
                                          .port = 65'535,
                                          .use_mx = true,
                                          .user = "apikey",
                                          .password = odd,
                                          .tls = config::TlsPolicy::verify,
                                          .by = "transport:3"});
  const RelayPlan spare{.host = "s",
                        .port = 26,
                        .use_mx = false,
                        .user = "",
                        .password = "",
                        .tls = config::TlsPolicy::may};
  fake.plans.emplace("mx@x", MxPlan{"[192.0.2.1]",
                                    {std::get<RelayPlan>(*fake.plans.at("relay@x")), spare},
                                    "transport:4"});
  serve_fake();

  const auto list = loop.run(remote.recipient({"list@example.test"}));
  ASSERT_TRUE(list && *list);
  EXPECT_EQ((*list)->recipients, many.recipients);
  EXPECT_FALSE((*list)->is_reversed);
  EXPECT_EQ((*list)->by, std::vector<std::string>(1'000));
  const auto ways = loop.run(remote.recipient({"ways@example.test"}));
  ASSERT_TRUE(ways && *ways);
  EXPECT_EQ((*ways)->by, (std::vector<std::string>{"", "aliases:7", "aliases:7", odd, ""}));
  const auto back = loop.run(remote.recipient({"SRS0=x@example.test"}));
  ASSERT_TRUE(back && *back);
  EXPECT_TRUE((*back)->is_reversed);
  const auto rewritten = loop.run(remote.rewrite(odd));
  ASSERT_TRUE(rewritten);
  EXPECT_EQ(*rewritten, "rewritten " + odd);
  const auto strange = loop.run(remote.recipient({odd, true}));
  ASSERT_TRUE(strange && *strange);
  EXPECT_EQ((*strange)->recipients, (std::vector<std::string>{odd, "b@x"}));
  EXPECT_EQ(fake.asked.back(), "recipient " + odd + " relay");
  const auto refused = loop.run(remote.recipient({"no@example.test"}));
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().reason, Reason::relaying);
  EXPECT_EQ(refused->error().code, 554);
  EXPECT_EQ(refused->error().enhanced, "5.7.1");
  EXPECT_EQ(refused->error().text, "multi\r\nline " + odd);

  const auto may = loop.run(remote.sender({"alice", odd}));
  EXPECT_TRUE(may && *may);
  const auto may_not = loop.run(remote.sender({"bob", odd}));
  ASSERT_TRUE(may_not && !*may_not);
  EXPECT_EQ(may_not->error().code, 553);

  const auto local = loop.run(remote.plan({"local@x", "s@x"}));
  ASSERT_TRUE(local && *local);
  EXPECT_EQ(std::get<LocalPlan>(**local).account, "bob@x");
  EXPECT_EQ(std::get<LocalPlan>(**local).tag, odd);
  EXPECT_EQ(std::get<LocalPlan>(**local).by, "mailboxes:1");
  const auto relay = loop.run(remote.plan({"relay@x", "s@x"}));
  ASSERT_TRUE(relay && *relay);
  const auto& plan = std::get<RelayPlan>(**relay);
  EXPECT_EQ(fmt::format("{} {} {:d} {} {}", plan.host, plan.port, plan.use_mx, plan.user,
                        to_string(plan.tls)),
            "h 65535 1 apikey verify");
  EXPECT_EQ(plan.password, odd);
  EXPECT_EQ(plan.by, "transport:3");
  const auto mx = loop.run(remote.plan({"mx@x", "s@x", odd}));
  ASSERT_TRUE(mx && *mx);
  EXPECT_EQ(std::get<MxPlan>(**mx).domain, "[192.0.2.1]");
  EXPECT_EQ(std::get<MxPlan>(**mx).by, "transport:4");
  EXPECT_EQ(fake.asked.back(), "plan mx@x from s@x named " + odd);
  const auto& spares = std::get<MxPlan>(**mx).fallbacks;
  ASSERT_EQ(spares.size(), 2U);
  EXPECT_EQ(spares[0].password, odd);
  EXPECT_EQ(fmt::format("{} {} {:d} '{}' '{}' {}", spares[1].host, spares[1].port, spares[1].use_mx,
                        spares[1].user, spares[1].password, to_string(spares[1].tls)),
            "s 26 0 '' '' may");
  EXPECT_TRUE(plan.fallbacks.empty());
  const auto bounce = loop.run(remote.plan({"none@x", "s@x"}));
  ASSERT_TRUE(bounce && !*bounce);
  EXPECT_EQ(bounce->error().code, 550);
}

TEST_F(RemoteTest, ABrokenDirectoryIsTemporary) {
  fake.broken = true;
  serve_fake();
  const auto recipient = loop.run(remote.recipient({"a@x"}));
  ASSERT_FALSE(recipient);
  EXPECT_EQ(recipient.error().kind, ErrorKind::temporary);
  EXPECT_NE(recipient.error().what.find("the directory cannot be asked"), std::string::npos);
  EXPECT_FALSE(loop.run(remote.sender({"a", "b"})));
  EXPECT_FALSE(loop.run(remote.plan({"a@x", "s@x"})));
  EXPECT_FALSE(loop.run(remote.rewrite("a@x")));
}

TEST_F(RemoteTest, NonsenseIsTemporary) {
  std::string verb;
  serve([&verb](net::Message) { return say(verb); });
  for (const std::string text : {"what", "", "OK", "oks", "temporary", "error", "550", "refused"}) {
    verb = text;
    EXPECT_FALSE(loop.run(remote.recipient({"a@x"}))) << text;
    EXPECT_FALSE(loop.run(remote.sender({"a", "b"}))) << text;
    EXPECT_FALSE(loop.run(remote.plan({"a@x", "s@x"}))) << text;
  }
  verb = "ok";  // no plan at all, and no sender
  EXPECT_FALSE(loop.run(remote.rewrite("a@x")));
  const auto plan = loop.run(remote.plan({"a@x", "s@x"}));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().kind, ErrorKind::temporary);
}

TEST_F(RemoteTest, NobodyThereIsTemporaryUntilSomebodyIs) {
  fake.recipients.emplace("a@x", Expansion{{"a@x"}});
  const auto nobody = loop.run(remote.recipient({"a@x"}));
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.error().kind, ErrorKind::permanent);
  EXPECT_NE(nobody.error().kind, ErrorKind::config);
  serve_fake();
  const SteadyTime end = test::soon(15s);
  while (!loop.run(remote.recipient({"a@x"}))) {
    ASSERT_LT(Clock::system().steady_now(), end);
    loop.idle(20ms);
  }
}

TEST_F(RemoteTest, AHangUpInTheMiddleIsTemporary) {
  serve([this](net::Message) {
    for (net::Stream* stream : streams) stream->close();
    streams.clear();
    return say("ok");
  });
  const auto answer = loop.run(remote.recipient({"a@x"}));
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().kind, ErrorKind::permanent);
}

TEST_F(RemoteTest, OtherVerbsAreNotItsBusiness) {
  for (const std::string verb : {"authenticate", "redeem", "", "RECIPIENT", "recipients"}) {
    const auto answer = loop.wait(answer_directory(fake, net::Message(verb)));
    EXPECT_FALSE(answer) << verb;
  }
  EXPECT_TRUE(fake.asked.empty());
}

}  // namespace
}  // namespace posthorn::route
