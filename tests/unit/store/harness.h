// A store in a temporary folder, and a way to run its coroutines to their end on the test's own
// thread.
#pragma once

#include <asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "net/scope.h"
#include "store/account.h"
#include "tests/support/temp_folder.h"

namespace posthorn::store {

using test::TempFolder;

using test::names_in;
using test::read_text;
using test::write_text;

// One run of a store: an event loop, a pool, the accounts. Ending it without close() is a kill -9.
class Process {
 public:
  explicit Process(const Path& mail, Disk& disk = Disk::real(),
                   const Clock& clock = Clock::system(), std::string boot_id = "boot-1",
                   const std::function<void(Accounts::Options&)>& adapt = {})
      : scope_(io_.get_executor(), clock), pool_(4) {
    Accounts::Options options;
    options.mail = mail;
    options.hostname = "mx.example.org";
    options.disk = &disk;
    options.clock = &clock;
    options.boot_id = std::move(boot_id);
    options.store.rescan = 200ms;
    if (adapt) adapt(options);
    accounts_.emplace(scope_, pool_, options);
  }
  ~Process() {
    account_.reset();
    accounts_->stop();
    io_.restart();
    io_.run();
    accounts_.reset();
  }

  template <class T>
  Result<T> task(net::Task<T> work) {
    std::optional<Result<T>> result;
    scope_.spawn(store_result(std::move(work), result));
    io_.restart();
    while (!result && io_.run_one() > 0) {
    }
    EXPECT_TRUE(result.has_value());
    return std::move(*result);
  }
  // The value, or a failed test.
  template <class T>
  T get(net::Task<T> work) {
    Result<T> result = task(std::move(work));
    EXPECT_TRUE(result) << (result ? "" : result.error().what);
    if constexpr (!std::is_void_v<T>) {
      if (!result) return T{};
      return *std::move(result);
    }
  }
  template <class T>
  T wait(net::Awaitable<T> work) {
    return get(as_task(std::move(work)));
  }
  void close() {
    account_.reset();
    std::optional<Result<>> done;
    scope_.spawn(store_result(close_all(*accounts_), done));
    io_.restart();
    while (!done && io_.run_one() > 0) {
    }
  }

  Account& account(const std::string& name = "alice@example.org") {
    if (!account_) account_ = get(accounts_->open(name));
    return *account_;
  }
  Accounts& accounts() { return *accounts_; }
  net::Scope& scope() { return scope_; }
  asio::io_context& io() { return io_; }

  Placed deliver(std::string mailbox, std::string_view wire, Flags flags = 0,
                 std::vector<std::string> keywords = {},
                 std::optional<WallTime> date = std::nullopt) {
    auto delivery = get(account().begin_delivery());
    get(delivery->write(wire));
    std::vector<Target> targets;
    targets.push_back({.mailbox = std::move(mailbox),
                       .flags = flags,
                       .keywords = std::move(keywords),
                       .internal_date = date,
                       .create = false});
    auto placed = get(delivery->commit(std::move(targets)));
    return placed.empty() ? Placed{} : placed.front();
  }
  ViewPtr view(const std::string& mailbox = "INBOX", Access access = Access::read_write) {
    return get(account().open_view(mailbox, access));
  }
  std::string wire_text(Mailbox& mailbox, Uid uid) {
    auto opened = get(mailbox.open_message(uid));
    if (!opened) return "(gone)";
    CrlfReader reader(opened->file, 0, opened->size);
    auto text = reader.read_all(1U << 30U);
    EXPECT_TRUE(text);
    EXPECT_EQ(text->size(), opened->wire_size);
    return *text;
  }

 private:
  template <class T>
  static net::Awaitable<void> store_result(net::Task<T> work, std::optional<Result<T>>& result) {
    result.emplace(co_await std::move(work));
  }
  template <class T>
  static net::Task<T> as_task(net::Awaitable<T> work) {
    co_return co_await std::move(work);
  }
  static net::Task<> close_all(Accounts& accounts) {
    co_await accounts.close();
    co_return Result<>{};
  }

  asio::io_context io_;
  net::Scope scope_;
  net::BlockingPool pool_;
  std::optional<Accounts> accounts_;
  AccountPtr account_;
};

// What a power cut leaves of an index, whose newest transactions were not synced: in turns one of
// before, and none.
inline void lose_index(const Path& index, std::string_view old, int turn) {
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(Path(index) += suffix);
  if (turn % 2 == 0) {
    write_text(index, old);
  } else {
    std::filesystem::remove(index);
  }
}

inline const std::string kAlice = "example.org/alice";
inline constexpr std::string_view kMail = "From: a@b\r\nSubject: hello\r\n\r\nbody\r\n";

}  // namespace posthorn::store
