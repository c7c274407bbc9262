// Proves that the store's side remembers rules while lookup is away.
#include "store/room.h"

#include <gtest/gtest.h>

#include "net/listener.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::store {
namespace {

struct RoomTest : testing::Test {
  ~RoomTest() override {
    channel.close();
    if (listener) listener->stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  void serve() {
    auto socket = net::bind_socket(net::UnixAddress{folder.path() / "lookup.sock"});
    ASSERT_TRUE(socket) << socket.error().what;
    listener.emplace(
        loop.scope(), *std::move(socket), net::Listener::Options{.name = "lookup", .refusal = {}},
        [this](net::StreamPtr stream) {
          return net::serve_lines(loop.scope(), std::move(stream), [this](net::Message request) {
            return tell_rules(this, std::move(request));
          });
        });
    listener->start();
  }
  static net::Awaitable<net::Message> tell_rules(RoomTest* self, net::Message request) {
    if (self->is_broken) co_return net::Message("temporary").add("error", "broken");
    EXPECT_EQ(request.get("account"), "a@x.test");
    co_return net::Message("ok").add("rules", self->rules);
  }
  std::uint64_t limit() {
    const auto found = loop.run(quota.quota_of("a@x.test"));
    return found ? found->limits().bytes : 7;
  }

  test::TempFolder folder;
  test::TestLoop loop;
  config::Store settings{.quota = 1000};
  std::string rules;
  bool is_broken = false;
  std::optional<net::Listener> listener;
  net::LineChannel channel{loop.scope(), net::UnixAddress{folder.path() / "lookup.sock"}};
  RemoteQuota quota{channel, settings};
};

TEST_F(RoomTest, RulesAreRememberedWhileLookupIsAway) {
  EXPECT_EQ(limit(), 7U);  // never known
  serve();
  rules = "*:bytes=5";
  EXPECT_EQ(limit(), 5U);
  rules = "";
  EXPECT_EQ(limit(), 1000U);
  rules = "*:bytes=6";
  is_broken = true;
  EXPECT_EQ(limit(), 1000U);
  is_broken = false;
  EXPECT_EQ(limit(), 6U);
}

}  // namespace
}  // namespace posthorn::store
