// POP3 up to the login, dialog by dialog (tests/transcripts/pop3/login). A login that is right ends
// with SYS/TEMP.
#include "pop3/login/session.h"
#include "tests/support/fixed_logins.h"
#include "tests/support/login_transcripts.h"

namespace posthorn::pop3 {
namespace {

using Transcripts = test::TranscriptTest;

TEST_P(Transcripts, InPieces) {
  test::FixedLogins logins({"pop3"}, "two words ", {"alice", "alice@example.org"});
  test::run_login_transcript(GetParam(), logins, serve_login);
}

INSTANTIATE_TEST_SUITE_P(Pop3, Transcripts, ::testing::ValuesIn(test::transcripts_in("pop3/login")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::pop3
