// POP3 after the login, dialog by dialog (tests/transcripts/pop3/session), over a real store in a
// temporary folder. What a dialog says of its INBOX:
//
//   = file cur/1.a.h:2, text    there is such a message file (before the session, or while it runs)
//   = gone cur/1.a.h:2,         another program removes it
//   = uidlist text              dovecot-uidlist
//   = files cur/1.a.h:2,S …     these are in cur/ and new/ now, in order, and no others
#include <asio/io_context.hpp>
#include <fstream>
#include <gtest/gtest.h>

#include "pop3/server/session.h"
#include "tests/support/temp_folder.h"
#include "tests/support/transcript.h"

namespace posthorn::pop3 {
namespace {

// Every token is alice's; "stale" is nobody's.
class FixedRedeemer final : public auth::Redeemer {
 public:
  net::Task<std::optional<std::string>> redeem(std::string token, std::string service,
                                               std::string) override {
    if (token == "stale" || service != "pop3") co_return std::nullopt;
    if (token == "down") co_return fail(ErrorKind::temporary, "lookup is away");
    if (token == "odd") co_return "alice@../example.org";
    co_return "alice@example.org";
  }
};

class Inbox {
 public:
  explicit Inbox(Path path) : path_(std::move(path)) {
    for (const char* folder : {"cur", "new", "tmp"})
      std::filesystem::create_directories(path_ / folder);
  }
  std::string check(const std::string& name, const std::string& value) const {
    const std::string file = value.substr(0, value.find(' '));
    const std::string text = file.size() < value.size() ? value.substr(file.size() + 1) : "";
    if (name == "file") {
      std::ofstream(path_ / file, std::ios::binary) << text;
      return "";
    }
    if (name == "gone") return std::filesystem::remove(path_ / file) ? "" : file + " is not there";
    if (name == "uidlist") {
      std::ofstream(path_ / "dovecot-uidlist", std::ios::binary) << value;
      return "";
    }
    if (name != "files") return "no check " + name;
    const std::string found = files();
    return found == value ? "" : "there is: " + found;
  }

 private:
  std::string files() const {
    std::vector<std::string> names;
    for (const char* folder : {"cur", "new"})
      for (const auto& entry : std::filesystem::directory_iterator(path_ / folder))
        names.push_back(std::string(folder) + "/" + entry.path().filename().native());
    std::ranges::sort(names);
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
    return all;
  }
  Path path_;
};

class Transcripts : public ::testing::TestWithParam<std::filesystem::path> {};

std::string run(const test::Transcript& transcript, std::size_t piece) {
  const auto setting = [&](const char* name) {
    const auto found = transcript.settings.find(name);
    return found == transcript.settings.end() ? std::string{} : found->second;
  };
  config::Config config;
  if (!setting("per_user").empty())
    config.pop3.connections_per_user_max = std::stoul(setting("per_user"));
  if (!setting("idle_ms").empty())
    config.pop3.idle_timeout = std::chrono::milliseconds(std::stoi(setting("idle_ms")));
  config.pop3.mark_seen = setting("mark_seen") != "no";
  const std::string token = setting("token").empty() ? "good" : setting("token");

  const test::TempFolder folder;
  const Inbox inbox(folder.path() / "example.org/alice");
  asio::io_context context;
  net::Scope scope(context.get_executor());
  net::BlockingPool pool(2);
  store::Accounts accounts(
      scope, pool,
      {.store = config.store, .mail = folder.path(), .hostname = "mx.example.org", .boot_id = "b"});
  FixedRedeemer redeemer;
  auth::UserConnections connections(config.pop3.connections_per_user_max);
  const ServerServices services{.scope = scope,
                                .pool = pool,
                                .accounts = accounts,
                                .redeemer = redeemer,
                                .connections = connections,
                                .config = config};
  const test::TranscriptServer server{
      .serve =
          [&](char session, std::shared_ptr<test::Wire> wire) {
            wire->to_server =
                auth::format_hand_over(
                    {.token = token,
                     .session = std::string("SESSION") + session,
                     .service = setting("service").empty() ? "pop3" : setting("service"),
                     .tag = {},
                     .address = "192.0.2.7",
                     .tls = true}) +
                wire->to_server;
            return serve(std::make_unique<test::MemoryStream>(std::move(wire)), services);
          },
      .check = [&](const std::string& name,
                   const std::string& value) { return inbox.check(name, value); }};
  std::string wrong = test::run_transcript(context, scope, transcript, server, piece);
  accounts.stop();
  scope.spawn(accounts.close());
  for (int i = 0; i < 1000 && scope.running() > 0; ++i) {
    context.restart();
    context.run_for(std::chrono::milliseconds(10));
  }
  return wrong;
}

TEST_P(Transcripts, InPieces) {
  const auto transcript = test::Transcript::read(GetParam());
  for (const std::size_t piece : test::piece_sizes(transcript))
    EXPECT_EQ(run(transcript, piece), "") << "in pieces of " << piece;
}

INSTANTIATE_TEST_SUITE_P(Pop3, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("pop3/session")),
                         [](const auto& info) { return test::test_name(info.param); });

}  // namespace
}  // namespace posthorn::pop3
