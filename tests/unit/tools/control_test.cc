// Proves what the commands that ask the running server say and how they end: without one, with one
// that answers, and with one whose files have a fault.
#include "tools/control.h"

#include "tests/unit/tools/running_server.h"

namespace posthorn::tools {
namespace {

net::Message refused() {
  return net::Message("refused")
      .add("weight", "fault")
      .add("where", "/srv/maps/aliases:3")
      .add("reason", "no value")
      .add("remedy", "write one");
}

TEST(AskServer, TheAnswerComesFromTheSocketThatWasAsked) {
  RunningServer server;
  server.answer("queue-control.sock", "list", net::Message("ok").add("id", "Q1").add("id", "Q2"));
  server.start();
  const auto answer = server.run(
      [&] { return ask_server(server.config, "queue-control.sock", net::Message("list")); });
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->all("id").size(), 2U);
  EXPECT_EQ(server.asked, std::vector<std::string>{"queue-control.sock list"});
}

TEST(AskServer, WhoIsNotThereIsAnError) {
  RunningServer server;
  const auto ask = [&] {
    return ask_server(server.config, "queue-control.sock", net::Message("list"));
  };
  const auto none = server.run(ask);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::closed);
  server.start("queue-control.sock");
  EXPECT_FALSE(server.run(ask));
}

TEST(Commands, WithoutAServerThereIsNothingToTell) {
  RunningServer server;
  for (int (*command)(const config::Config&) : {stop_server, restart_server, reload_server}) {
    const auto said = server.listen_to([&] { return command(server.config); });
    EXPECT_EQ(said.code, 1);
    EXPECT_NE(said.err.find("not running"), std::string::npos) << said.err;
  }
  // What was written counts when it starts.
  const auto live = server.listen_to([&] { return make_live(server.config); });
  EXPECT_EQ(live.code, 0);
  EXPECT_EQ(live.err, "");
}

TEST(Commands, AReloadSaysWhichGenerationServes) {
  RunningServer server;
  server.answer("lookup-0.reload.sock", "commit", net::Message("ok").add("generation", "7"));
  server.start();
  const auto said = server.listen_to([&] { return reload_server(server.config); });
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.out, "reloaded, generation 7\n");
}

TEST(Commands, AReloadThatOneRefusesChangesNothingAndSaysWhy) {
  RunningServer server;
  server.answer("lookup-0.reload.sock", "prepare", refused());
  server.start();
  const auto said = server.listen_to([&] { return reload_server(server.config); });
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.out, "");
  EXPECT_NE(said.err.find("/srv/maps/aliases:3: no value; write one\n"), std::string::npos)
      << said.err;
  for (const std::string& question : server.asked)
    EXPECT_FALSE(question.ends_with(" commit")) << question;
  // To who has written a table it is the same fault, and his change waits.
  const auto live = server.listen_to([&] { return make_live(server.config); });
  EXPECT_EQ(live.code, 1);
  EXPECT_NE(live.err.find("the change is written"), std::string::npos) << live.err;
}

}  // namespace
}  // namespace posthorn::tools
