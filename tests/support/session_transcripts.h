// Dialogs after the login, for every protocol whose sessions edge hands over to the store: over a
// real store in a temporary folder. Each session comes with alice's token; two of them where a
// dialog says A: and B:.
//
//   @ token stale       the token is nobody's; "down": lookup is away; "odd": of a name that cannot
//                       be an account
//   @ service imap      the session is handed over as another protocol's
//   @ per_user 1        how many sessions a user may have
#pragma once

#include "auth/hand_over.h"
#include "net/blocking_pool.h"
#include "store/account.h"
#include "tests/support/temp_folder.h"
#include "tests/support/transcript.h"

namespace posthorn::test {

class FixedRedeemer final : public auth::Redeemer {
 public:
  net::Task<std::optional<std::string>> redeem(std::string token, std::string,
                                               std::string) override {
    if (token == "stale") co_return std::nullopt;
    if (token == "down") co_return fail(ErrorKind::temporary, "lookup is away");
    if (token == "odd") co_return "alice@../example.org";
    co_return "alice@example.org";
  }
};

struct SessionDialog {
  const Transcript& transcript;
  std::string service;  // "imap", "pop3"
  std::string tag;      // of the command that logged in
  const Path& mail;
  config::Store store = {};
  std::function<std::string(const std::string& name, const std::string& value)> check = {};
};

// Services, Config: the protocol's own; the text of what is wrong, or nothing.
template <class Services, class Config>
std::string run_session_transcript(const SessionDialog& dialog, std::size_t piece,
                                   const Config& config,
                                   net::Awaitable<void> (*serve)(net::StreamPtr, const Services&)) {
  const Transcript& transcript = dialog.transcript;
  asio::io_context context;
  JumpingClock clock;
  net::Scope scope(context.get_executor(), clock);
  net::BlockingPool pool(2);
  store::Accounts accounts(
      scope, pool,
      {.store = dialog.store, .mail = dialog.mail, .hostname = "mx.example.org", .boot_id = "b"});
  FixedRedeemer redeemer;
  auth::Admission admission(redeemer, dialog.service,
                            std::stoul(transcript.setting("per_user", "20")));
  const Services services{
      .scope = scope, .pool = pool, .accounts = accounts, .admission = admission, .config = config};
  const TranscriptServer server{
      .clock = clock,
      .serve =
          [&](char session, std::shared_ptr<MemoryWire> wire) {
            const auth::HandOver what{.token = transcript.setting("token", "good"),
                                      .session = std::string("SESSION") + session,
                                      .service = transcript.setting("service", dialog.service),
                                      .tag = dialog.tag,
                                      .address = "192.0.2.7",
                                      .tls = true};
            wire->to_server = auth::format_hand_over(what) + wire->to_server;
            return serve(std::make_unique<MemoryStream>(std::move(wire)), services);
          },
      .check = dialog.check};
  std::string wrong = run_transcript(context, scope, transcript, server, piece);
  accounts.stop();
  scope.spawn(accounts.close());
  for (int i = 0; i < 1000 && scope.running() > 0; ++i) {
    context.restart();
    context.run_for(std::chrono::milliseconds(10));
  }
  return wrong;
}

}  // namespace posthorn::test
