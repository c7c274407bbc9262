// IMAP up to the login, dialog by dialog (tests/transcripts/imap/login). The store is not there: a
// login that is right ends with UNAVAILABLE.
#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include "imap/login/session.h"
#include "tests/support/certificate.h"
#include "tests/support/transcript.h"

namespace posthorn::imap {
namespace {

class FixedLogins final : public auth::Authenticator {
 public:
  net::Task<auth::Verdict> authenticate(auth::Attempt attempt) override {
    if (attempt.user == "down") co_return fail(ErrorKind::temporary, "the user file is away");
    if (attempt.user == "alice@example.org" && attempt.password == "secret \"x\" \\")
      co_return auth::Verdict{auth::Verdict::Outcome::ok, attempt.user, "token"};
    co_return auth::Verdict{};
  }
};

class Transcripts : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(Transcripts, InPieces) {
  const auto transcript = test::Transcript::read(GetParam());
  const test::Certificate certificate;
  const auto tls = net::TlsServer::load({{certificate.cert(), certificate.key()}});
  ASSERT_TRUE(tls) << tls.error().what;
  auth::LoginSettings settings;
  settings.allow_plaintext = transcript.settings.count("plaintext") != 0;
  for (const std::size_t piece : test::piece_sizes(transcript)) {
    asio::io_context context;
    net::Scope scope(context.get_executor());
    FixedLogins logins;
    const auth::LoginServices services{.scope = scope,
                                       .authenticator = logins,
                                       .tls = tls->get(),
                                       .store = [](const std::string&, std::string_view) {
                                         return net::UnixAddress{"/nowhere/store.sock"};
                                       }};
    const test::TranscriptServer server{
        .serve =
            [&](char, std::shared_ptr<test::Wire> wire) {
              if (transcript.settings.count("tls") != 0)
                wire->tls = net::TlsInfo{"TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, {}};
              return serve_login(std::make_unique<test::MemoryStream>(std::move(wire)), settings,
                                 services);
            },
        .check = [](const std::string&, const std::string&) { return "no checks here"; }};
    EXPECT_EQ(test::run_transcript(context, scope, transcript, server, piece), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Imap, Transcripts, ::testing::ValuesIn(test::transcripts_in("imap/login")),
                         [](const auto& info) { return test::test_name(info.param); });

}  // namespace
}  // namespace posthorn::imap
