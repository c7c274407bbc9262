// Proves that a generation is put to use by all roles or by none: one that refuses or does not
// answer keeps all of them on what they had, and the next reload is none the worse for it.
#include "process/generation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/line_channel.h"
#include "process/instance.h"
#include "process/listeners.h"
#include "process/report.h"
#include "process/status_page.h"
#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::process {
namespace {

class FakePart final : public net::FilePart {
 public:
  std::string look() const override { return "same"; }
  net::Awaitable<net::Prepared> prepare() override {
    ++prepared;
    co_return next;
  }
  std::shared_ptr<const void> commit() override {
    ++committed;
    return nullptr;
  }
  net::Prepared next;
  int prepared = 0, committed = 0;
};

class FakeRole final : public Role {
 public:
  FakeRole(test::TestLoop& loop, RoleKind kind)
      : Role(kind), files_(loop.scope(), loop.pool(), 1h, {&part}) {}
  net::Task<> start() override { co_return Result<>{}; }
  net::WatchedFiles* files() override { return &files_; }
  const Report* report() const override { return &report_; }
  void reloaded() override { ++told; }
  net::Awaitable<void> stop() override { co_return; }

  FakePart part;
  int told = 0;
  std::string state = "ok";

 private:
  net::WatchedFiles files_;
  Report report_{.checks = [this]() -> net::Awaitable<std::vector<health::Check>> {
    co_return std::vector<health::Check>{{"files", state, state == "ok" ? "" : "why"}};
  }};
};

// The four roles that a reload asks of a server without a web role, as one process each would serve them.
class GenerationTest : public testing::Test {
 protected:
  GenerationTest() {
    config_.paths.run = folder_.path();
    config_.listen.http = {};
    config_.listen.https = {};
    for (const RoleKind kind : {RoleKind::lookup, RoleKind::queue, RoleKind::store, RoleKind::edge})
      roles_.push_back(std::make_unique<FakeRole>(loop_, kind));
  }
  ~GenerationTest() override {
    listeners_.stop();
    loop_.wait(loop_.scope().shut_down(0ms));
  }
  void serve(const std::vector<RoleKind>& away = {}) {
    for (const auto& role : roles_) {
      if (std::ranges::find(away, role->kind()) != away.end()) continue;
      const std::string name = fmt::format("{}-0.reload.sock", to_string(role->kind()));
      auto socket = net::bind_socket(net::UnixAddress{folder_.path() / name});
      ASSERT_TRUE(socket) << socket.error().what;
      sockets_[name].push_back(*std::move(socket));
      serve_generation(loop_.scope(), listeners_, *role);
    }
    lock_ = take_instance_lock(config_);
    ASSERT_TRUE(lock_);
  }
  // As another process would, which waits for it.
  template <class Ask>
  auto ask(Ask question) {
    return loop_.wait(in_pool(loop_.pool(), std::move(question)));
  }
  Result<Reloaded> reload() {
    return ask([this] { return reload_all(config_); });
  }
  FakeRole& role(RoleKind kind) {
    return **std::ranges::find_if(roles_, [&](const auto& one) { return one->kind() == kind; });
  }
  // How often each has put something to use.
  std::vector<int> committed() const {
    std::vector<int> counts;
    for (const auto& one : roles_) {
      counts.push_back(one->part.committed);
      EXPECT_EQ(one->told, one->part.committed);
    }
    return counts;
  }

  health::Page ask_for_page() {
    auto page = ask([this] { return ask_page(config_); });
    EXPECT_TRUE(page);
    return page ? *std::move(page) : health::Page{};
  }

  test::TempFolder folder_;
  config::Config config_;
  test::TestLoop loop_;
  SocketMap sockets_;
  Listeners listeners_{sockets_};
  std::vector<std::unique_ptr<FakeRole>> roles_;
  Result<File> lock_ = fail(ErrorKind::closed, "");

 private:
  template <class Ask>
  static net::Awaitable<std::invoke_result_t<Ask>> in_pool(net::BlockingPool& pool, Ask question) {
    using Answer = std::invoke_result_t<Ask>;
    std::optional<Answer> answer;
    EXPECT_TRUE(co_await pool.run([&]() -> Result<> {
      answer.emplace(question());
      return {};
    }));
    co_return *std::move(answer);
  }
};

TEST_F(GenerationTest, AllPutItToUse) {
  serve();
  const auto reloaded = reload();
  ASSERT_TRUE(reloaded) << reloaded.error().what;
  EXPECT_TRUE(reloaded->is_committed);
  EXPECT_TRUE(reloaded->findings.empty());
  EXPECT_EQ(reloaded->generation, "1");
  EXPECT_EQ(committed(), (std::vector<int>{1, 1, 1, 1}));
}

TEST_F(GenerationTest, OneThatRefusesKeepsAllOnWhatTheyHad) {
  serve();
  const config::Finding fault{"maps/aliases:3", "a fault", "mend it"};
  role(RoleKind::store).part.next = {.findings = {fault}, .is_usable = false};
  const test::CapturedLog log;
  const auto refused = reload();
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->is_committed);
  EXPECT_EQ(refused->findings, config::Findings{fault});
  EXPECT_EQ(committed(), (std::vector<int>{0, 0, 0, 0}));
  EXPECT_EQ(log.count("event=generation.refused"), 4);
  // Nobody holds what it had prepared.
  role(RoleKind::store).part.next = {};
  const auto mended = reload();
  ASSERT_TRUE(mended);
  EXPECT_TRUE(mended->is_committed);
  EXPECT_EQ(committed(), (std::vector<int>{1, 1, 1, 1}));
}

TEST_F(GenerationTest, OneThatDoesNotAnswerKeepsAllOnWhatTheyHad) {
  serve({RoleKind::queue});
  const auto reloaded = reload();
  ASSERT_TRUE(reloaded);
  EXPECT_FALSE(reloaded->is_committed);
  ASSERT_EQ(reloaded->findings.size(), 1U);
  EXPECT_NE(reloaded->findings[0].reason.find("queue-0.reload.sock"), std::string::npos);
  EXPECT_EQ(committed(), (std::vector<int>{0, 0, 0, 0}));
}

TEST_F(GenerationTest, AWarningIsToldOnceAndDoesNotHoldItUp) {
  serve();
  const config::Finding warning{"tls/cert.pem", "it ends soon", "renew it",
                                config::Weight::warning};
  for (const auto& one : roles_) one->part.next = {.findings = {warning}};
  const auto reloaded = reload();
  ASSERT_TRUE(reloaded);
  EXPECT_TRUE(reloaded->is_committed);
  EXPECT_EQ(reloaded->findings, config::Findings{warning});
  EXPECT_EQ(ask_for_page().findings, config::Findings{warning});
}

TEST_F(GenerationTest, WithoutAServerThereIsNothingToReload) {
  const auto reloaded = reload();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error().kind, ErrorKind::closed);
}

TEST_F(GenerationTest, OfSeveralChecksTheWorstIsTold) {
  serve({RoleKind::edge});
  role(RoleKind::queue).state = "warning";
  const health::Page page = ask_for_page();
  std::map<std::string, std::string> states;
  for (const health::Check& check : page.checks) states[check.name] = check.state;
  EXPECT_EQ(states, (std::map<std::string, std::string>{{"files", "warning"},
                                                        {"role.edge", "red"},
                                                        {"role.lookup", "ok"},
                                                        {"role.queue", "ok"},
                                                        {"role.store", "ok"},
                                                        {"role.trail", "warning"}}));
  EXPECT_FALSE(ask([this] { return are_all_answering(config_); }));
}

TEST_F(GenerationTest, WhatSeveralRolesOfAProcessCountIsCountedOnce) {
  serve({RoleKind::edge});
  const auto learned = [this] {
    return metrics::find(ask([this] { return ask_metrics(config_); }), metric::lessons, "learned",
                         "ham");
  };
  const std::int64_t before = learned();
  metrics::count(metric::lessons, "learned", "ham", 3);
  EXPECT_EQ(learned(), before + 3);
}

TEST_F(GenerationTest, WithinOneProcessItIsTheSame) {
  std::vector<Role*> roles;
  for (const auto& one : roles_) roles.push_back(one.get());
  role(RoleKind::lookup).part.next = {.is_usable = false};
  loop_.wait(reload_here(roles));
  EXPECT_EQ(committed(), (std::vector<int>{0, 0, 0, 0}));
  role(RoleKind::lookup).part.next = {};
  loop_.wait(reload_here(roles));
  EXPECT_EQ(committed(), (std::vector<int>{1, 1, 1, 1}));
}

}  // namespace
}  // namespace posthorn::process
