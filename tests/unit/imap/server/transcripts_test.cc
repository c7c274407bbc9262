// IMAP after the login, dialog by dialog (tests/transcripts/imap/session).
#include "imap/server/session.h"
#include "tests/support/session_transcripts.h"

namespace posthorn::imap {
namespace {

using Transcripts = test::TranscriptTest;

TEST_P(Transcripts, InPieces) {
  const auto transcript = test::Transcript::read(GetParam());
  config::Config config;
  if (transcript.has("message_max"))
    config.smtp.message_max = std::stoull(transcript.setting("message_max"));
  config.imap.separator = transcript.setting("separator", config.imap.separator);
  config.store.quota = std::stoull(transcript.setting("quota", "0"));
  config.store.quota_messages = std::stoull(transcript.setting("quota_messages", "0"));
  test::run_in_pieces(transcript, [&](std::size_t piece) {
    const test::TempFolder folder;
    return test::run_session_transcript({.transcript = transcript,
                                         .service = "imap",
                                         .tag = "a0",
                                         .mail = folder.path(),
                                         .store = config.store},
                                        piece, config, serve);
  });
}

INSTANTIATE_TEST_SUITE_P(Imap, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("imap/session")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::imap
