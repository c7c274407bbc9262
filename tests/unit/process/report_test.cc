// Proves that a role's report reaches who asks over its socket: its checks, its gauges of now, its
// own further answers; and that nobody gets it who has another name.
#include "process/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "process/listeners.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::process {
namespace {

class ReportTest : public testing::Test {
 protected:
  ~ReportTest() override {
    if (channel_) channel_->close();
    listeners_.stop();
    loop_.wait(loop_.scope().shut_down(0ms));
  }
  void bind(const std::string& name) {
    auto socket = net::bind_socket(net::UnixAddress{folder_.path() / name});
    ASSERT_TRUE(socket) << socket.error().what;
    sockets_[name].push_back(*std::move(socket));
  }
  void connect(const std::string& name) {
    channel_.emplace(loop_.scope(), net::UnixAddress{folder_.path() / name});
  }
  static net::Awaitable<std::vector<web::Check>> checks() {
    co_return std::vector<web::Check>{{"spool", "ok", ""}, {"spamd", "red", "refused\tagain"}};
  }

  test::TempFolder folder_;
  test::TestLoop loop_;
  SocketMap sockets_;
  Listeners listeners_{sockets_};
  std::optional<net::LineChannel> channel_;
  int measured_ = 0;
  Report report_{.checks = checks,
                 .measure = [this]() -> net::Awaitable<void> {
                   ++measured_;
                   co_return;
                 },
                 .answer = [](net::Message request) -> net::Awaitable<std::optional<net::Message>> {
                   if (request.verb == "colour") co_return net::Message("ok").add("is", "blue");
                   co_return std::nullopt;
                 }};
};

TEST_F(ReportTest, WhatTheRoleKnowsArrivesWhole) {
  bind("queue-0.web.sock");
  serve_report(loop_.scope(), listeners_, RoleKind::queue, report_);
  connect("queue-0.web.sock");
  for (int asked = 1; asked <= 2; ++asked) {
    const auto told = loop_.run(ask_report(*channel_, test::soon(5s)));
    ASSERT_TRUE(told) << told.error().what;
    EXPECT_EQ(told->pid, std::to_string(::getpid()));
    EXPECT_EQ(measured_, asked);
    ASSERT_EQ(told->checks.size(), 2U);
    EXPECT_EQ(told->checks[0].name, "spool");
    EXPECT_EQ(told->checks[1].state, "red");
    EXPECT_EQ(told->checks[1].detail, "refused\tagain");
    EXPECT_EQ(told->metrics, metrics::read());
  }
}

TEST_F(ReportTest, ARoleAnswersQuestionsOfItsOwnAndNoOthers) {
  bind("queue-0.web.sock");
  serve_report(loop_.scope(), listeners_, RoleKind::queue, report_);
  connect("queue-0.web.sock");
  const auto own = loop_.run(channel_->ask(net::Message("colour"), test::soon(5s)));
  ASSERT_TRUE(own);
  EXPECT_EQ(own->get("is"), "blue");
  const auto strange = loop_.run(channel_->ask(net::Message("secrets"), test::soon(5s)));
  ASSERT_TRUE(strange);
  EXPECT_EQ(strange->verb, "temporary");
}

TEST_F(ReportTest, ItIsServedOnItsOwnSocketsAlone) {
  for (const char* name :
       {"queue-0.web.sock", "store-0.web.sock", "store-1.web.sock", "store-0.lmtp.sock"})
    bind(name);
  serve_report(loop_.scope(), listeners_, RoleKind::store, report_);
  EXPECT_EQ(listeners_.names(),
            (std::vector<std::string>{"queue-0.web.sock", "store-0.lmtp.sock"}));
}

TEST_F(ReportTest, ARoleThatIsAwayIsAnError) {
  connect("queue-0.web.sock");
  EXPECT_FALSE(loop_.run(ask_report(*channel_, test::soon(200ms))));
}

}  // namespace
}  // namespace posthorn::process
