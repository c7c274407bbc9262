// IMAP after the login, dialog by dialog (tests/transcripts/imap/session), over a real store in a
// temporary folder. Two sessions of one user where a dialog says A: and B:.
#include <asio/io_context.hpp>
#include <cstdlib>
#include <gtest/gtest.h>

#include "imap/server/session.h"
#include "tests/support/transcript.h"

namespace posthorn::imap {
namespace {

// Every token is alice's; "stale" is nobody's.
class FixedRedeemer final : public auth::Redeemer {
 public:
  net::Task<std::optional<std::string>> redeem(std::string token, std::string,
                                               std::string) override {
    if (token == "stale") co_return std::nullopt;
    if (token == "down") co_return fail(ErrorKind::temporary, "lookup is away");
    co_return "alice@example.org";
  }
};

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "posthorn-imap-XXXXXX").native();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const Path& path() const { return path_; }

 private:
  Path path_;
};

class Transcripts : public ::testing::TestWithParam<std::filesystem::path> {};

std::string run(const test::Transcript& transcript, std::size_t piece) {
  const auto setting = [&](const char* name) {
    const auto found = transcript.settings.find(name);
    return found == transcript.settings.end() ? std::string{} : found->second;
  };
  config::Config config;
  if (!setting("message_max").empty())
    config.smtp.message_max = std::stoull(setting("message_max"));
  if (!setting("per_user").empty())
    config.imap.connections_per_user_max = std::stoul(setting("per_user"));
  const std::string token = setting("token").empty() ? "good" : setting("token");

  const Folder folder;
  asio::io_context context;
  net::Scope scope(context.get_executor());
  net::BlockingPool pool(2);
  store::Accounts accounts(
      scope, pool,
      {.store = config.store, .mail = folder.path(), .hostname = "mx.example.org", .boot_id = "b"});
  FixedRedeemer redeemer;
  auth::UserConnections connections(config.imap.connections_per_user_max);
  const ServerServices services{.scope = scope,
                                .pool = pool,
                                .accounts = accounts,
                                .redeemer = redeemer,
                                .connections = connections,
                                .config = config};
  const test::TranscriptServer server{
      .serve =
          [&](char session, std::shared_ptr<test::Wire> wire) {
            wire->to_server = auth::format_hand_over({.token = token,
                                                      .session = std::string("SESSION") + session,
                                                      .service = "imap",
                                                      .tag = "a0",
                                                      .address = "192.0.2.7",
                                                      .tls = true}) +
                              wire->to_server;
            return serve(std::make_unique<test::MemoryStream>(std::move(wire)), services);
          },
      .check = [](const std::string&, const std::string&) { return "no checks here"; }};
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
    EXPECT_EQ(run(transcript, piece), "");
}

INSTANTIATE_TEST_SUITE_P(Imap, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("imap/session")),
                         [](const auto& info) { return test::test_name(info.param); });

}  // namespace
}  // namespace posthorn::imap
