// IMAP after the login, dialog by dialog (tests/transcripts/imap/session), and what holds for every
// command.
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <span>

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
  config.imap.line_max = std::stoul(transcript.setting("line_max", "65536"));
  if (transcript.setting("separator") == "/") config.imap.separator = config::Separator::slash;
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

// A command that goes on behind its end is BAD, and nothing is done: what a client meant must not
// be cut off ("DELETE Old Mail" would remove Old). Each command with all kinds of ends; a few of
// them in one session, for fifty faults end it.
TEST(EveryCommand, ChecksItsEnd) {
  static const std::map<std::string_view, std::string> kArguments = {
      {"APPEND", " INBOX {10+}\\r\\nSubject: 2"},
      {"CAPABILITY", ""},
      {"NOOP", ""},
      {"LOGOUT", ""},
      {"ID", " (\"name\" \"x\")"},
      {"ENABLE", " CONDSTORE"},
      {"IDLE", ""},
      {"NAMESPACE", ""},
      {"SELECT", " Old"},
      {"EXAMINE", " Old"},
      {"CREATE", " New"},
      {"DELETE", " Old"},
      {"RENAME", " Old New"},
      {"SUBSCRIBE", " Old"},
      {"UNSUBSCRIBE", " Kept"},
      {"LIST", " \"\" *"},
      {"LSUB", " \"\" *"},
      {"STATUS", " INBOX (MESSAGES)"},
      {"GETQUOTA", " \"User quota\""},
      {"GETQUOTAROOT", " INBOX"},
      {"SETQUOTA", " \"User quota\" (STORAGE 1)"},
      {"GETMETADATA", " INBOX (/shared/comment)"},
      {"SETMETADATA", " Old (/shared/comment \"x\")"},
      {"CHECK", ""},
      {"CLOSE", ""},
      {"UNSELECT", ""},
      {"EXPUNGE", ""},
      {"SEARCH", " ALL"},
      {"FETCH", " 1 (BODY[])"},
      {"STORE", " 1 FLAGS (\\Seen)"},
      {"COPY", " 1 Old"},
      {"MOVE", " 1 Old"},
      {"UID EXPUNGE", " 1"},
      {"UID SEARCH", " ALL"},
      {"UID FETCH", " 1 (BODY[])"},
      {"UID STORE", " 1 FLAGS (\\Seen)"},
      {"UID COPY", " 1 Old"},
      {"UID MOVE", " 1 Old"},
  };
  const auto names = command_names();
  for (std::size_t first = 0; first < names.size(); first += 4) {
    const std::span<const std::string_view> some =
        std::span(names).subspan(first, std::min<std::size_t>(4, names.size() - first));
    const test::TempFolder folder;
    std::ofstream dialog(folder.path() / "dialog.txt");
    dialog << "S: a0 OK %%\n"
              "C: a1 CREATE Old\nS: a1 OK %%\nC: a2 CREATE Kept\nS: a2 OK %%\n"
              "C: a3 SUBSCRIBE Kept\nS: a3 OK %%\n"
              "R: a4 APPEND INBOX (\\Deleted) {10+}\\r\\nSubject: 1\\r\\n\nS: a4 OK %%\n"
              "C: a5 SELECT INBOX\nS*:\nS: a5 OK %%\n";
    for (const std::string_view name : some) {
      const auto arguments = kArguments.find(name);
      ASSERT_NE(arguments, kArguments.end()) << name << " is new: what are its arguments?";
      for (const std::string_view end :
           {" (x)", " 1", " Mail", " \"a b\"", ")", " )", " \\xe4", "\\xe4", "\\t", "\\0",
            " {16+}\\r\\nb9 DELETE Kept\\r\\n"}) {
        // More capabilities may follow, and more keys.
        if (name == "ENABLE" && (end == " 1" || end == " Mail")) continue;
        if (name.ends_with("SEARCH") && end == " 1") continue;
        dialog << fmt::format("C: b1 {}{}{}\nS: b1 BAD %%\n", name, arguments->second, end);
      }
    }
    dialog << "C: c1 FETCH 1:* FLAGS\n"
              "S: * 1 FETCH (FLAGS (\\Deleted \\Recent))\nS: c1 OK %%\n"
              "C: c2 LIST \"\" *\nS: * LIST %% INBOX\nS: * LIST %% Archive\n"
              "S: * LIST %% Drafts\nS: * LIST %% Junk\nS: * LIST %% Kept\nS: * LIST %% Old\n"
              "S: * LIST %% Sent\nS: * LIST %% Trash\nS: c2 OK %%\n"
              "C: c3 LSUB \"\" Old\nS: c3 OK %%\n"
              "C: c4 LSUB \"\" Kept\nS: * LSUB %% Kept\nS: c4 OK %%\n"
              "C: c6 GETMETADATA Old /shared/comment\n"
              "S: * METADATA Old (/shared/comment NIL)\nS: c6 OK %%\n"
              "C: c5 STATUS Old (MESSAGES)\nS: * STATUS Old (MESSAGES 0)\nS: c5 OK %%\n";
    dialog.close();
    config::Config config;
    const auto transcript = test::Transcript::read(folder.path() / "dialog.txt");
    EXPECT_EQ(test::run_session_transcript({.transcript = transcript,
                                            .service = "imap",
                                            .tag = "a0",
                                            .mail = folder.path() / "mail",
                                            .store = config.store},
                                           1'000'000, config, serve),
              "")
        << fmt::format("{}", fmt::join(some, ", "));
  }
}

INSTANTIATE_TEST_SUITE_P(Imap, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("imap/session")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::imap
