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
  static net::Awaitable<std::vector<health::Check>> checks() {
    co_return std::vector<health::Check>{{"spool", "ok", ""}, {"spamd", "red", "refused\tagain"}};
  }

  test::TempFolder folder_;
  test::TestLoop loop_;
  SocketMap sockets_;
  Listeners listeners_{sockets_};
  std::optional<net::LineChannel> channel_;
  int measured_ = 0;
  // A role that knows nothing but its report.
  class FakeRole final : public Role {
   public:
    FakeRole(RoleKind kind, const Report& report) : Role(kind), report_(report) {}
    net::Task<> start() override { co_return Result<>{}; }
    net::WatchedFiles* files() override { return nullptr; }
    const Report* report() const override { return &report_; }
    config::Findings other_findings() const override { return {kRows}; }
    net::Awaitable<void> stop() override { co_return; }

   private:
    const Report& report_;
  };
  static inline const config::Finding kRows{"pgsql:users:3", "no hash", "posthorn user password",
                                            config::Weight::warning};
  static net::Awaitable<health::Facts> facts() {
    health::Facts facts;
    health::add(facts, health::RelayFault{"[relay.test]:587", "down", "a\ttab"});
    co_return facts;
  }
  Report report_{.checks = checks,
                 .facts = facts,
                 .measure = [this]() -> net::Awaitable<void> {
                   ++measured_;
                   co_return;
                 },
                 .answer = [](net::Message request) -> net::Awaitable<std::optional<net::Message>> {
                   if (request.verb == "colour") co_return net::Message("ok").add("is", "blue");
                   co_return std::nullopt;
                 }};
  FakeRole queue_{RoleKind::queue, report_}, store_{RoleKind::store, report_};
};

TEST_F(ReportTest, WhatTheRoleKnowsArrivesWhole) {
  bind("queue-0.web.sock");
  serve_report(loop_.scope(), listeners_, queue_);
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
    EXPECT_EQ(told->findings, config::Findings{kRows});
    health::Page page;
    health::take({.role = "queue", .services = {}}, told->facts, page);
    ASSERT_EQ(page.relay_faults.size(), 1U);
    EXPECT_EQ(page.relay_faults[0].reason, "a\ttab");
  }
}

TEST_F(ReportTest, ARoleAnswersQuestionsOfItsOwnAndNoOthers) {
  bind("queue-0.web.sock");
  serve_report(loop_.scope(), listeners_, queue_);
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
  serve_report(loop_.scope(), listeners_, store_);
  EXPECT_EQ(listeners_.names(),
            (std::vector<std::string>{"queue-0.web.sock", "store-0.lmtp.sock"}));
}

TEST_F(ReportTest, ARoleThatIsAwayIsAnError) {
  connect("queue-0.web.sock");
  EXPECT_FALSE(loop_.run(ask_report(*channel_, test::soon(200ms))));
}

}  // namespace
}  // namespace posthorn::process
