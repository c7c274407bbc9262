// Proves who is refused at RCPT and who is not: full accounts are, lists only when all of theirs
// are, and whatever cannot be asked is taken.
#include "route/room_directory.h"

#include <gtest/gtest.h>

#include "net/listener.h"
#include "tests/support/fake_directory.h"
#include "tests/support/fixed_placement.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::route {
namespace {

struct RoomDirectoryTest : testing::Test {
  RoomDirectoryTest() {
    config.paths.run = folder.path();
    config.store.workers = 1;
    config.store.quota = 1000;
    for (const char* name : {"full", "half", "free"}) {
      const std::string address = std::string(name) + "@x.test";
      directory.recipients.emplace(address, Expansion{{address}});
      directory.plans.emplace(address, LocalPlan{address, ""});
    }
    directory.plans.emplace("far@y.test", MxPlan{"y.test"});
  }
  ~RoomDirectoryTest() override {
    for (const auto& close : closers) close();
    for (const auto& listener : listeners) listener->stop();
    loop.until([this] { return loop.scope().running() == 0; });
  }
  void serve(const std::string& name, net::LineHandler handler) {
    auto socket = net::bind_socket(net::UnixAddress{folder.path() / name});
    ASSERT_TRUE(socket) << socket.error().what;
    listeners.push_back(std::make_unique<net::Listener>(
        loop.scope(), *std::move(socket), net::Listener::Options{.name = name, .refusal = {}},
        [this, handler](net::StreamPtr stream) {
          return net::serve_lines(loop.scope(), std::move(stream), handler);
        }));
    listeners.back()->start();
  }
  static net::Awaitable<net::Message> tell_room(RoomDirectoryTest* self, net::Message request) {
    self->asked.push_back(std::string(request.get("account")) + " " +
                          std::string(request.get("rules")) + " " +
                          std::string(request.get("size")));
    if (self->is_broken) co_return net::Message("temporary").add("error", "broken");
    const std::string account(request.get("account"));
    const bool is_full = account.starts_with("full") ||
                         (account.starts_with("half") && request.get("size") == "900");
    co_return net::Message(is_full ? "full" : "ok");
  }
  void serve_store() {
    serve("store-0.quota.sock",
          [this](net::Message request) { return tell_room(this, std::move(request)); });
  }
  RoomDirectory& rooms() {
    if (!rooms_) {
      rooms_.emplace(loop.scope(), config, placement, directory,
                     [this](std::string account) { return find_rules(this, std::move(account)); });
      closers.emplace_back([this] { rooms_->close(); });
    }
    return *rooms_;
  }
  static net::Task<std::string> find_rules(RoomDirectoryTest* self, std::string account) {
    (void)account;
    if (self->rules == "?") co_return fail(ErrorKind::temporary, "the database is down");
    co_return self->rules;
  }
  // 250, or what the refusal says.
  std::string rcpt(const std::string& address, std::uint64_t size = 0) {
    const auto answer = loop.run(rooms().recipient({.address = address, .size = size}));
    if (!answer) return "451";
    if (*answer) return "250";
    const Refusal& refusal = answer->error();
    return std::to_string(refusal.code) + " " + refusal.enhanced + " " + refusal.text;
  }

  test::TempFolder folder;
  test::TestLoop loop;
  test::FakeDirectory directory;
  config::Config config;
  const test::FixedPlacement placement{net::UnixAddress{folder.path() / "store-0.quota.sock"}};
  std::string rules;
  bool is_broken = false;
  std::vector<std::string> asked;
  std::vector<std::unique_ptr<net::Listener>> listeners;
  std::vector<std::function<void()>> closers;
  std::optional<RoomDirectory> rooms_;
};

TEST_F(RoomDirectoryTest, AFullAccountIsRefused) {
  serve_store();
  rules = "*:messages=7";
  EXPECT_EQ(rcpt("full@x.test"), "552 5.2.2 <full@x.test>: Mailbox is full");
  EXPECT_EQ(rcpt("free@x.test"), "250");
  EXPECT_EQ(rcpt("half@x.test", 800), "250");
  EXPECT_EQ(rcpt("half@x.test", 900), "552 5.2.2 <half@x.test>: Mailbox is full");
  EXPECT_EQ(asked.front(), "full@x.test *:messages=7 0");
  EXPECT_EQ(rcpt("nobody@x.test"), "550 5.1.1 User unknown");
  config.store.quota_full_tempfail = true;
  EXPECT_EQ(rcpt("full@x.test"), "452 4.2.2 <full@x.test>: Mailbox is full");
  EXPECT_EQ(*loop.run(rooms().rewrite("a@b")), "rewritten a@b");
}

TEST_F(RoomDirectoryTest, AListIsRefusedWhenAllOfItsMembersAreFull) {
  serve_store();
  directory.recipients.emplace("some@x.test", Expansion{{"full@x.test", "free@x.test"}});
  directory.recipients.emplace("all@x.test", Expansion{{"full@x.test", "full@x.test"}});
  directory.recipients.emplace("out@x.test", Expansion{{"full@x.test", "far@y.test"}});
  Expansion many;
  for (int i = 0; i < 100; ++i) many.recipients.emplace_back("full@x.test");
  directory.recipients.emplace("many@x.test", many);
  EXPECT_EQ(rcpt("some@x.test"), "250");
  EXPECT_EQ(rcpt("all@x.test"), "552 5.2.2 <all@x.test>: Mailbox is full");
  EXPECT_EQ(rcpt("out@x.test"), "250");
  EXPECT_EQ(rcpt("many@x.test"), "250");
}

TEST_F(RoomDirectoryTest, WithoutALimitNobodyIsAsked) {
  serve_store();
  rules = "*:storage=0";
  EXPECT_EQ(rcpt("full@x.test"), "250");
  rules = "";
  config.store.quota = 0;
  EXPECT_EQ(rcpt("full@x.test"), "250");
  config.store.quota = 1;
  config.store.quotas = false;
  EXPECT_EQ(rcpt("full@x.test"), "250");
  EXPECT_TRUE(asked.empty());
}

TEST_F(RoomDirectoryTest, WhatCannotBeAskedIsTaken) {
  EXPECT_EQ(rcpt("full@x.test"), "250");  // there is no store
  serve_store();
  is_broken = true;
  EXPECT_EQ(rcpt("full@x.test"), "250");
  is_broken = false;
  rules = "?";
  EXPECT_EQ(rcpt("full@x.test"), "250");
  directory.broken = true;
  EXPECT_EQ(rcpt("full@x.test"), "451");  // the recipient itself
}

}  // namespace
}  // namespace posthorn::route
