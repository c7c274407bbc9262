// Dialogs up to the login, for every protocol that has one at the edge. The store is not there: a
// login that is right ends with the protocol's word for that.
//
//   @ tls yes           the connection begins inside TLS
//   @ without_tls yes   the server has no certificate
//   @ plaintext yes     a password may come in the clear
//   @ line_max 512      the longest line
#pragma once

#include "auth/login.h"
#include "tests/support/fixed_placement.h"
#include "tests/support/tls_server.h"
#include "tests/support/transcript.h"

namespace posthorn::test {

using ServeLogin = net::Awaitable<void> (*)(net::StreamPtr, const auth::LoginSettings&,
                                            const auth::LoginServices&);

inline void run_login_transcript(const std::filesystem::path& file, auth::Authenticator& logins,
                                 ServeLogin serve) {
  const auto transcript = Transcript::read(file);
  const auto tls = make_tls_server();
  auth::LoginSettings settings;
  if (transcript.has("plaintext")) settings.plaintext_login = auth::PlaintextLogin::allowed;
  settings.line_max = std::stoul(transcript.setting("line_max", "65536"));
  run_in_pieces(transcript, [&](std::size_t piece) {
    asio::io_context context;
    JumpingClock clock;
    net::Scope scope(context.get_executor(), clock);
    const FixedPlacement placement(net::UnixAddress{"/nowhere/store.sock"});
    const auth::LoginServices services{.scope = scope,
                                       .authenticator = logins,
                                       .placement = placement,
                                       .tls = transcript.has("without_tls") ? nullptr : tls.get()};
    const TranscriptServer server{
        .clock = clock, .serve = [&](char, std::shared_ptr<MemoryWire> wire) {
          if (transcript.has("tls")) wire->tls = MemoryStream::kTls;
          return serve(std::make_unique<MemoryStream>(std::move(wire)), settings, services);
        }};
    return run_transcript(context, scope, transcript, server, piece);
  });
}

}  // namespace posthorn::test
