// Proves what `posthorn status` tells of a server, as lines and as JSON in which numbers are
// numbers, and with which exit code.
#include "tools/status.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "process/running.h"
#include "tests/unit/tools/running_server.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::json;

struct StatusTest : testing::Test {
  void fill() {
    server.config.listen.smtp = {"127.0.0.1:2525"};
    ASSERT_TRUE(process::keep_running_config(server.config));
    server.config.filter.spamd = "127.0.0.1:783";
    server.answer("lookup-control.sock", "status", net::Message("ok").add("tables.aliases", "3"));
    server.answer("queue-control.sock", "status",
                  net::Message("ok")
                      .add("queue.held", "2")
                      .add("relay", "[relay.test]:587")
                      .add("relay.state", "red")
                      .add("relay.reason", "connection refused"));
    server.answer(
        "queue-0.reload.sock", "checks",
        net::Message("ok").add("check", "spamd").add("state", "red").add("detail", "it is away"));
    server.answer("edge-0.reload.sock", "checks",
                  net::Message("ok")
                      .add("check", "certificate")
                      .add("state", "ok")
                      .add("detail", "it ends at 2000-01-01T00:00:00.000Z"));
    server.answer("lookup-0.reload.sock", "status",
                  net::Message("ok")
                      .add("weight", "warning")
                      .add("where", "maps/aliases:2")
                      .add("reason", "twice")
                      .add("remedy", ""));
  }
  RunningServer::Said ask(StatusOptions options = {}) {
    return server.listen_to([&] { return print_status(server.config, options); });
  }
  RunningServer server;
};

TEST_F(StatusTest, OneThatDoesNotRunIsStopped) {
  EXPECT_EQ(ask().code, 3);
  EXPECT_EQ(ask().out, "stopped\n");
  const auto said = ask({.json = true});
  EXPECT_EQ(said.code, 3);
  EXPECT_EQ(Json::parse(said.out), Json({{"running", false}}));
}

TEST_F(StatusTest, AsLinesItTellsWhatRunsAndWhatIsWrong) {
  fill();
  server.start();
  const auto said = ask();
  EXPECT_EQ(said.code, 0) << said.err;
  for (const std::string& line :
       {fmt::format("running, pid {}\n", ::getpid()), std::string("listens smtp 127.0.0.1:2525\n"),
        std::string("tables.aliases 3\n"), std::string("queue.held 2\n"),
        std::string("relay red [relay.test]:587: connection refused\n"),
        std::string("spamd down: it is away\n"),
        std::string("certificate ends 2000-01-01T00:00:00.000Z (-"),
        std::string("warning maps/aliases:2: twice\n")})
    EXPECT_NE(said.out.find(line), std::string::npos) << line << "is not in\n" << said.out;
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
  EXPECT_EQ(status["spamd"], Json({{"state", "down"}, {"reason", "it is away"}}));
  EXPECT_EQ(status["relay"]["faults"][0]["reason"], "connection refused");
  EXPECT_EQ(status["findings"][0]["weight"], "warning");
}

TEST_F(StatusTest, AProcessThatDoesNotAnswerIsToldAndEndsItWithOne) {
  fill();
  server.start("queue-control.sock");
  const auto said = ask();
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("queue-control.sock: "), std::string::npos) << said.err;
  EXPECT_NE(said.out.find("tables.aliases 3\n"), std::string::npos);
}

}  // namespace
}  // namespace posthorn::tools
