// Proves what `posthorn status` tells of a server, as text and as JSON in which numbers are
// numbers, and with which exit code.
#include "tools/status.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/metrics.h"
#include "process/running.h"
#include "tests/unit/tools/running_server.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::json;

struct StatusTest : testing::Test {
  StatusTest() { server.config.trail.enabled = false; }
  void fill() {
    server.config.listen.smtp = {"127.0.0.1:2525"};
    ASSERT_TRUE(process::keep_running_config(server.config));
    server.config.filter.spamd = "127.0.0.1:783";
    for (const char* role : {"lookup", "queue", "store", "edge"})
      server.answer(
          fmt::format("{}-0.reload.sock", role), "metrics",
          net::Message("ok").add("pid", role).add("cells", metrics::to_line(metrics::Snapshot{})));
    server.answer("queue-0.reload.sock", "checks", queue_checks("ok"));
    server.answer("edge-0.reload.sock", "checks",
                  net::Message("ok")
                      .add("certificate.name", "certificate")
                      .add("certificate.ends", "946684800000")
                      .add("certificate.on_disk", "same"));
    server.answer("lookup-0.reload.sock", "status",
                  net::Message("ok")
                      .add("weight", "warning")
                      .add("where", "maps/aliases:2")
                      .add("reason", "twice")
                      .add("remedy", "take one out"));
  }
  static net::Message queue_checks(std::string_view spamd) {
    return net::Message("ok")
        .add("check", "spamd")
        .add("state", spamd)
        .add("detail", spamd == "ok" ? "" : "it is away")
        .add("queue.messages", "3")
        .add("queue.held", "2")
        .add("relay.relay", "[relay.test]:587")
        .add("relay.state", "down")
        .add("relay.reason", "connection refused");
  }
  RunningServer::Said ask(StatusOptions options = {}) {
    return server.listen_to([&] { return print_status(server.config, options); });
  }
  RunningServer server;
};

TEST_F(StatusTest, OneThatDoesNotRunIsStopped) {
  EXPECT_EQ(ask().code, 3);
  EXPECT_EQ(ask().out.find("stopped: "), 0U);
  const auto said = ask({.json = true});
  EXPECT_EQ(said.code, 3);
  EXPECT_EQ(Json::parse(said.out)["running"], false);
}

TEST_F(StatusTest, AsTextItTellsWhatRunsAndWhatIsWrong) {
  fill();
  server.start();
  const auto said = ask();
  EXPECT_EQ(said.code, 0) << said.err << said.out;  // warnings alone
  for (const std::string& part :
       {fmt::format("pid {}\n", ::getpid()), std::string("smtp         127.0.0.1:2525\n"),
        std::string("3 messages, 0 deferred, 2 held\n"),
        std::string("warning: the relay [relay.test]:587 cannot be reached: connection refused\n"),
        std::string("certificate ended 2000-01-01 (-"),
        std::string("warning       maps/aliases:2: twice\n              -> take one out\n")})
    EXPECT_NE(said.out.find(part), std::string::npos) << part << "is not in\n" << said.out;
  EXPECT_EQ(said.out.find('\x1b'), std::string::npos);
}

TEST_F(StatusTest, AsJsonNumbersAreNumbers) {
  fill();
  server.start();
  const auto said = ask({.json = true});
  EXPECT_EQ(said.code, 0) << said.err;
  const Json status = Json::parse(said.out);
  EXPECT_EQ(status["running"], true);
  EXPECT_EQ(status["pid"], ::getpid());
  EXPECT_EQ(status["queue"]["held"], 2);
  EXPECT_EQ(status["listen"][0]["port"], 2525);
  EXPECT_GE(status["uptime_seconds"].get<int>(), 0);
  EXPECT_LT(status["certificates"][0]["days_left"].get<int>(), 0);
  EXPECT_EQ(status["spamd"]["state"], "up");
  EXPECT_EQ(status["relay"]["faults"][0]["reason"], "connection refused");
  EXPECT_EQ(status["findings"][0]["weight"], "warning");
}

TEST_F(StatusTest, WhatIsRedEndsItWithOne) {
  fill();
  server.answer("queue-0.reload.sock", "checks", queue_checks("red"));
  server.start();
  const auto said = ask();
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.out.find("red: spamd does not answer at 127.0.0.1:783 (it is away)"), 0U)
      << said.out;
}

TEST_F(StatusTest, AProcessThatDoesNotAnswerIsRed) {
  fill();
  server.start("queue-0.reload.sock");
  const auto said = ask();
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.out.find("queue        silent"), std::string::npos) << said.out;
}

}  // namespace
}  // namespace posthorn::tools
