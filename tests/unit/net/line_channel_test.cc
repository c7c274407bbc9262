// The line protocol between roles: requests overlap and answers come in any order, each to its
// asker; a peer that vanishes, babbles or is silent costs an Error and never an answer that belongs
// to another; no field can end a line.
#include "net/line_channel.h"

#include "net/listener.h"
#include "tests/support/fake_server.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/net/pair.h"

namespace posthorn::net {
namespace {

using test::FakeServer;
using test::Wire;
using ::testing::HasSubstr;

std::string all_bytes() {
  std::string text;
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  return text;
}

TEST(LineProtocol, WhatIsWrittenIsRead) {
  const std::string values[] = {
      "",    "x",  "a b=c", "tab\tlf\ncr\r\\",        std::string("\0\0", 2), all_bytes(),
      "\\n", "\\", "=",     std::string(30'000, '\n')};
  for (const std::string& value : values) {
    Message message("verb" + value);
    message.add("key", value).add("key", value + "2").add("", "empty key");
    const std::string line = format_message("7", message);
    ASSERT_TRUE(line.ends_with('\n'));
    EXPECT_EQ(line.find_first_of(std::string("\n\r\0", 3)), line.size() - 1);
    const auto read = parse_message(std::string_view(line).substr(0, line.size() - 1));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->tag, "7");
    EXPECT_EQ(read->message.verb, message.verb);
    EXPECT_EQ(read->message.fields, message.fields);
    EXPECT_EQ(read->message.get("key"), value);
    EXPECT_EQ(read->message.all("key").size(), 2U);
    EXPECT_EQ(read->message.find("none"), std::nullopt);
  }
  for (const char* bad : {"", "1", "\tverb", "1\t", "1\tv\tno equals", "1\tv\tk=\\x", "1\tv\tk=\\",
                          "\\q\tv", "1\t\\"})
    EXPECT_FALSE(parse_message(bad)) << bad;
}

Awaitable<Message> handle(Message request) {
  if (request.verb == "slow") co_await sleep(100ms);
  if (request.verb == "huge") co_return Message("ok").add("text", std::string(70'000, 'h'));
  co_return Message("ok").add("you", request.get("me"));
}

class LineChannelTest : public ::testing::Test {
 protected:
  ~LineChannelTest() override {
    if (channel_) channel_->close();
    if (listener_) listener_->stop();
    for (StreamPtr& stream : served_) stream->close();
    loop_.wait(loop_.scope().shut_down(0ms));
    loop_.until([this] { return loop_.scope().running() == 0; });
  }
  Address address() const { return UnixAddress{folder_.path() / "s"}; }
  void serve() {
    listener_.emplace(
        loop_.scope(), *bind_socket(address()), Listener::Options{.name = "lines"},
        [this](StreamPtr stream) { return serve_lines(loop_.scope(), std::move(stream), handle); });
    listener_->start();
  }
  LineChannel& channel() {
    if (!channel_) channel_.emplace(loop_.scope(), address());
    return *channel_;
  }
  std::string ask(Message request, std::chrono::milliseconds limit = 3s) {
    const auto answer = loop_.run(channel().ask(std::move(request), soon(limit)));
    if (!answer) return "error " + std::string(to_string(answer.error().kind));
    return std::string(answer->get("you"));
  }

  test::TempFolder folder_;
  test::TestLoop loop_;
  std::optional<Listener> listener_;
  std::optional<LineChannel> channel_;
  std::vector<StreamPtr> served_;
};

TEST_F(LineChannelTest, AnswersInAnyOrder) {
  serve();
  std::vector<std::optional<Result<Message>>> answers(200);
  for (std::size_t i = 0; i < answers.size(); ++i)
    start(loop_,
          channel().ask(Message(i % 2 == 0 ? "slow" : "quick").add("me", std::to_string(i)),
                        soon(10s)),
          answers[i]);
  loop_.until([&] { return answers[1] && answers[199]; });
  EXPECT_FALSE(answers[0]);
  loop_.until([&] {
    return std::ranges::all_of(answers, [](const auto& one) { return one.has_value(); });
  });
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(*answers[i]) << answers[i]->error().what;
    EXPECT_EQ((*answers[i])->get("you"), std::to_string(i));
  }
}

TEST_F(LineChannelTest, Sizes) {
  serve();
  EXPECT_EQ(ask(Message("x").add("me", std::string(60'000, 'm'))), std::string(60'000, 'm'));
  EXPECT_EQ(ask(Message("x").add("me", std::string(70'000, 'm'))), "error permanent");
  EXPECT_EQ(ask(Message("x").add("me", std::string(40'000, '\n'))), "error permanent");
  // An answer that does not fit is an answer that could not be given.
  const auto answer = loop_.run(channel().ask(Message("huge"), soon(2s)));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->verb, "temporary");
  EXPECT_EQ(ask(Message("x").add("me", "still here")), "still here");
}

TEST_F(LineChannelTest, NobodyThereAndThenSomebody) {
  EXPECT_EQ(ask(Message("x")), "error temporary");
  serve();
  EXPECT_EQ(ask(Message("x").add("me", "a")), "a");
}

TEST_F(LineChannelTest, DeadlineOfOneQuestion) {
  serve();
  EXPECT_EQ(ask(Message("slow"), 20ms), "error temporary");
  // Its late answer is nobody's.
  EXPECT_EQ(ask(Message("slow").add("me", "next")), "next");
}

TEST_F(LineChannelTest, PeersThatMisbehave) {
  const std::pair<const char*, std::function<void(Wire&)>> peers[] = {
      {"vanishes", [](Wire& wire) { (void)wire.line(); }},
      {"resets",
       [](Wire& wire) {
         (void)wire.line();
         wire.reset();
       }},
      {"hangs up at once", [](Wire& wire) { wire.close(); }},
      {"garbage",
       [](Wire& wire) {
         (void)wire.line();
         wire.say("\xFF\xFE\n\n\n");
         wire.stall();
       }},
      {"an endless line",
       [](Wire& wire) {
         (void)wire.line();
         const std::string more(65'536, 'x');
         while (wire.say(more)) {
         }
       }},
      {"another tag",
       [](Wire& wire) {
         (void)wire.line();
         wire.say("999\tok\tyou=evil\n");
         wire.stall();
       }},
      {"silence", [](Wire& wire) { wire.stall(); }},
      {"half an answer",
       [](Wire& wire) {
         (void)wire.line();
         wire.say("1\tok\tyou=");
       }},
  };
  for (const auto& [name, peer] : peers) {
    SCOPED_TRACE(name);
    std::atomic<bool> well = false;
    FakeServer server(
        [&](Wire& wire, std::size_t) {
          if (!well) return peer(wire);
          while (const auto line = wire.line())
            wire.say(line->substr(0, line->find('\t')) + "\tok\tyou=ok\n");
        },
        FakeServer::Where{.unix_path = folder_.path() / "s"});
    LineChannel channel(loop_.scope(), address());
    const SteadyTime begin = soon(0ms);
    const auto answer = loop_.run(channel.ask(Message("x"), soon(400ms)));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::temporary);
    EXPECT_LT(soon(0ms) - begin, 3s);
    well = true;
    // Where the connection broke a new one is made; where it stands the peer stays as it is.
    if (server.open() == 0) {
      const auto next = loop_.run(channel.ask(Message("x"), soon(5s)));
      ASSERT_TRUE(next) << next.error().what;
      EXPECT_EQ(next->get("you"), "ok");
    }
    channel.close();
    loop_.until([this] { return loop_.scope().running() == 0; });
  }
}

TEST_F(LineChannelTest, CloseAnswersAll) {
  FakeServer server([](Wire& wire, std::size_t) { wire.stall(); },
                    FakeServer::Where{.unix_path = folder_.path() / "s"});
  std::vector<std::optional<Result<Message>>> answers(10);
  for (auto& answer : answers) start(loop_, channel().ask(Message("x"), soon(1min)), answer);
  loop_.until([&] { return server.connections() == 1; });
  channel().close();
  loop_.until(
      [&] { return std::ranges::all_of(answers, [](const auto& one) { return one && !*one; }); },
      2s);
  EXPECT_EQ(ask(Message("x")), "error temporary");
}

// What socat does: questions, then the end of its input; the answers are still due.
TEST_F(LineChannelTest, ServerAnswersAfterTheQuestionsEnd) {
  serve();
  auto stream = *loop_.run(connect(loop_.executor(), address(), soon(1s)));
  ASSERT_TRUE(loop_.run(stream->write("1\tslow\tme=a\n2\tquick\tme=b\n", soon(1s))));
  ASSERT_TRUE(loop_.run(stream->shut_down(soon(1s))));
  const auto said = loop_.run(read_to_end(*stream, soon(3s)));
  ASSERT_TRUE(said);
  EXPECT_EQ(*said, "2\tok\tyou=b\n1\tok\tyou=a\n");
}

TEST_F(LineChannelTest, ServerEndsOnWhatIsNoQuestion) {
  serve();
  const std::string babble[] = {"\n", "no tab\n", "1\tv\tnoequals\n", std::string(200'000, 'x')};
  for (const std::string& text : babble) {
    auto stream = *loop_.run(connect(loop_.executor(), address(), soon(1s)));
    (void)loop_.run(stream->write(text, soon(1s)));
    const auto said = loop_.run(read_to_end(*stream, soon(3s)));
    ASSERT_TRUE(said) << text.substr(0, 10);
    EXPECT_EQ(*said, "");
  }
  EXPECT_EQ(ask(Message("x").add("me", "fine")), "fine");
}

}  // namespace
}  // namespace posthorn::net
