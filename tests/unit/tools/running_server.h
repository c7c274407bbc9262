// A server as a command sees it: its lock, its control sockets, and a process for each role without
// the web's, which answer as a test says.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <map>

#include "process/instance.h"
#include "process/listeners.h"
#include "process/sockets.h"
#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_loop.h"

namespace posthorn::tools {

class RunningServer {
 public:
  RunningServer() {
    config.paths.run = folder_.path();
    config.file = folder_.path() / "posthorn.toml";
    config.listen = {};
    for (auto* list :
         {&config.listen.smtp, &config.listen.submission, &config.listen.submissions,
          &config.listen.imap, &config.listen.imaps, &config.listen.pop3, &config.listen.pop3s,
          &config.listen.managesieve, &config.listen.http, &config.listen.https})
      list->clear();
  }
  ~RunningServer() {
    listeners_.stop();
    loop_.wait(loop_.scope().shut_down(0ms));
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  // "lookup-control.sock", and the answer to a verb; what is not said is "ok".
  void answer(const std::string& socket, const std::string& verb, net::Message message) {
    answers_[socket + " " + verb] = std::move(message);
  }
  void start(const std::string& without = "") {
    for (const char* name : {"lookup-control.sock", "queue-control.sock", "lookup-0.reload.sock",
                             "queue-0.reload.sock", "store-0.reload.sock", "edge-0.reload.sock"}) {
      if (name == without) continue;
      auto socket = net::bind_socket(net::UnixAddress{folder_.path() / name});
      ASSERT_TRUE(socket) << socket.error().what;
      sockets_[name].push_back(*std::move(socket));
      listeners_.answer(loop_.scope(), name,
                        [this, place = std::string(name)](net::Message request) {
                          return reply(this, place, std::move(request));
                        });
    }
    lock_ = process::take_instance_lock(config);
    ASSERT_TRUE(lock_);
  }
  // As a process of its own, which waits for the answer.
  template <class Command>
  auto run(Command command) {
    std::optional<std::invoke_result_t<Command>> result;
    const auto done = loop_.wait(loop_.pool().run([&]() -> Result<> {
      result.emplace(command());
      return {};
    }));
    EXPECT_TRUE(done);
    return *std::move(result);
  }
  struct Said {
    int code = 0;
    std::string out, err;
  };
  template <class Command>
  Said listen_to(Command command) {
    const test::CapturedLog log;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Said said;
    said.code = run(std::move(command));
    said.out = testing::internal::GetCapturedStdout();
    said.err = testing::internal::GetCapturedStderr();
    return said;
  }

  config::Config config;
  std::vector<std::string> asked;  // "edge-0.reload.sock commit"

 private:
  static net::Awaitable<net::Message> reply(RunningServer* self, std::string place,
                                            net::Message request) {
    const std::string question = place + " " + request.verb;
    self->asked.push_back(question);
    const auto found = self->answers_.find(question);
    co_return found == self->answers_.end() ? net::Message("ok") : found->second;
  }

  test::TempFolder folder_;
  test::TestLoop loop_;
  process::SocketMap sockets_;
  process::Listeners listeners_{sockets_};
  std::map<std::string, net::Message> answers_;
  Result<File> lock_ = fail(ErrorKind::closed, "");
};

}  // namespace posthorn::tools
