// Proves that questions about accounts go where placement says, over one connection a place, and
// that an account whose place nobody knows is "could not be asked".
#include "net/account_channels.h"

#include <gtest/gtest.h>

#include "net/listener.h"
#include "tests/support/fixed_placement.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::net {
namespace {

struct AccountChannelsTest : testing::Test {
  ~AccountChannelsTest() override {
    channels.close();
    for (const auto& listener : listeners) listener->stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  void serve(const std::string& name) {
    auto socket = bind_socket(UnixAddress{folder.path() / name});
    ASSERT_TRUE(socket) << socket.error().what;
    listeners.push_back(std::make_unique<Listener>(
        loop.scope(), *std::move(socket), Listener::Options{.name = name, .refusal = {}},
        [this, name](StreamPtr stream) {
          ++connections;
          return serve_lines(loop.scope(), std::move(stream),
                             [name](Message request) { return answer(name, std::move(request)); });
        }));
    listeners.back()->start();
  }
  static Awaitable<Message> answer(std::string name, Message request) {
    co_return Message(name + " " + request.verb);
  }
  std::string ask(const std::string& account) {
    const auto told = loop.run(channels.ask(account, Message("how"), 5s));
    return told ? told->verb : "not asked";
  }

  test::TempFolder folder;
  test::TestLoop loop;
  test::FixedPlacement placement{UnixAddress{folder.path() / "a.sock"}};
  AccountChannels channels{loop.scope(), placement, AccountService::quota};
  std::vector<std::unique_ptr<Listener>> listeners;
  int connections = 0;
};

TEST_F(AccountChannelsTest, OneConnectionAPlace) {
  serve("a.sock");
  serve("b.sock");
  EXPECT_EQ(ask("alice@example.test"), "a.sock how");
  EXPECT_EQ(placement.asked, "alice@example.test quota");
  EXPECT_EQ(ask("bob@example.test"), "a.sock how");
  EXPECT_EQ(connections, 1);
  // It moved: who asks next asks there.
  placement.address = UnixAddress{folder.path() / "b.sock"};
  EXPECT_EQ(ask("alice@example.test"), "b.sock how");
  EXPECT_EQ(connections, 2);
}

TEST_F(AccountChannelsTest, AnUnknownPlaceIsTemporary) {
  placement.address.reset();
  const auto told = loop.run(channels.ask("alice@example.test", Message("how"), 5s));
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().kind, ErrorKind::temporary);
}

TEST_F(AccountChannelsTest, ClosedItAsksNobody) {
  serve("a.sock");
  channels.close();
  EXPECT_EQ(ask("alice@example.test"), "not asked");
  EXPECT_EQ(connections, 0);
}

}  // namespace
}  // namespace posthorn::net
