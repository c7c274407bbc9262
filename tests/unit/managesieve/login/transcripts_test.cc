// ManageSieve up to the login, dialog by dialog (tests/transcripts/managesieve/login). A login that
// is right ends with TRYLATER.
#include "managesieve/login/session.h"
#include "tests/support/fixed_logins.h"
#include "tests/support/login_transcripts.h"

namespace posthorn::managesieve {
namespace {

using Transcripts = test::TranscriptTest;

TEST_P(Transcripts, InPieces) {
  test::FixedLogins logins({"managesieve"}, "two words ", {"alice", "alice@example.org"});
  test::run_login_transcript(GetParam(), logins, serve_login);
}

INSTANTIATE_TEST_SUITE_P(ManageSieve, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("managesieve/login")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::managesieve
