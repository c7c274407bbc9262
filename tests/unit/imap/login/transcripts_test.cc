// IMAP up to the login, dialog by dialog (tests/transcripts/imap/login). A login that is right ends
// with UNAVAILABLE.
#include "imap/login/session.h"
#include "tests/support/fixed_logins.h"
#include "tests/support/login_transcripts.h"

namespace posthorn::imap {
namespace {

using Transcripts = test::TranscriptTest;

TEST_P(Transcripts, InPieces) {
  test::FixedLogins logins({"imap"}, "secret \"x\" \\");
  test::run_login_transcript(GetParam(), logins, serve_login);
}

INSTANTIATE_TEST_SUITE_P(Imap, Transcripts, ::testing::ValuesIn(test::transcripts_in("imap/login")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::imap
