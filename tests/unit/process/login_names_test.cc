// The names of accounts: asked once, remembered for a while, and a service that hangs holds up who
// waits for that one name and nobody else.
#include "process/login_names.h"

#include <condition_variable>
#include <gtest/gtest.h>
#include <mutex>
#include <set>

#include "tests/support/manual_clock.h"
#include "tests/support/test_loop.h"

namespace posthorn::process {
namespace {

class LoginNamesTest : public testing::Test {
 protected:
  ~LoginNamesTest() override {
    let_go();
    loop_.idle(1ms);
  }
  Result<std::string> ask(std::uint32_t uid) {
    std::unique_lock lock(mutex_);
    ++asked_;
    if (hangs_.contains(uid)) goes_on_.wait(lock, [this] { return has_let_go_; });
    if (uid == 13) return fail(ErrorKind::temporary, "the service is away");
    return "account" + std::to_string(uid);
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    has_let_go_ = true;
    goes_on_.notify_all();
  }
  std::string name(std::uint32_t uid) {
    const auto found = loop_.run(names_.find(uid));
    return found ? *found : "error " + std::string(to_string(found.error().kind));
  }

  test::TestLoop loop_;
  test::ManualClock clock_;
  std::mutex mutex_;
  std::condition_variable goes_on_;
  std::set<std::uint32_t> hangs_;
  bool has_let_go_ = false;
  int asked_ = 0;
  LoginNames names_{loop_.scope(), loop_.pool(), [this](std::uint32_t uid) { return ask(uid); },
                    clock_};
};

TEST_F(LoginNamesTest, AreRememberedForAWhile) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(name(7), "account7");
  EXPECT_EQ(asked_, 1);
  clock_.advance(2min);
  EXPECT_EQ(name(7), "account7");
  EXPECT_EQ(asked_, 2);
  // That it could not be asked is not.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(name(13), "error temporary");
  EXPECT_EQ(asked_, 5);
}

TEST_F(LoginNamesTest, AServiceThatHangsHoldsUpNobodyElse) {
  hangs_ = {1};
  std::vector<std::string> found(100);
  for (std::string& one : found)
    loop_.scope().spawn([](LoginNames* names, std::string* out) -> net::Awaitable<void> {
      *out = (co_await names->find(1)).value_or("?");
    }(&names_, &one));
  EXPECT_EQ(name(0), "account0");
  EXPECT_EQ(name(2), "account2");
  EXPECT_EQ(asked_, 3);  // the hundred are one question
  EXPECT_EQ(found, std::vector<std::string>(100));
  let_go();
  loop_.idle(50ms);
  EXPECT_EQ(found, std::vector<std::string>(100, "account1"));
}

}  // namespace
}  // namespace posthorn::process
