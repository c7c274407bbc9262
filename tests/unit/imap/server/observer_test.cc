// What is told of clients' doings with messages: each once, when it is done, with the flags that
// have changed. RFC 6785 section 4.3.
#include "imap/server/observer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fstream>
#include <gmock/gmock.h>

#include "imap/server/session.h"
#include "tests/support/session_transcripts.h"

namespace posthorn::imap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Recorder final : public Observer {
 public:
  net::Awaitable<void> see(const Happening& happening) override {
    std::string line = fmt::format("{} {} {}", happening.account->name(),
                                   to_string(happening.cause), happening.mailbox);
    if (!happening.from.empty()) line += " from " + happening.from;
    line += fmt::format(" {}", fmt::join(happening.uids, ","));
    for (const store::FlagChange& change : happening.changes) {
      const ChangedFlags flags = changed_flags(happening, change);
      line += fmt::format(" {}+{}-{}", change.uid, fmt::join(flags.set, "+"),
                          fmt::join(flags.cleared, "-"));
    }
    seen.push_back(std::move(line));
    co_return;
  }
  std::vector<std::string> seen;
};

Recorder* recorder = nullptr;
std::optional<ServerServices> watched;

net::Awaitable<void> serve_watched(net::StreamPtr stream, const ServerServices& services) {
  watched.emplace(services);
  watched->observers = {recorder};
  return serve(std::move(stream), *watched);
}

std::vector<std::string> seen_in(std::string_view dialog) {
  Recorder mine;
  recorder = &mine;
  const test::TempFolder folder;
  std::ofstream(folder.path() / "dialog.txt") << "S: a0 OK %%\n" << dialog;
  const auto transcript = test::Transcript::read(folder.path() / "dialog.txt");
  config::Config config;
  EXPECT_EQ(test::run_session_transcript({.transcript = transcript,
                                          .service = "imap",
                                          .tag = "a0",
                                          .mail = folder.path() / "mail",
                                          .store = config.store},
                                         1'000'000, config, serve_watched),
            "");
  watched.reset();
  return mine.seen;
}

const std::string kTwoMails =
    "R: a1 APPEND INBOX (\\Seen) {10+}\\r\\nSubject: 1\\r\\n\nS: a1 OK %%\n"
    "R: a2 APPEND INBOX {10+}\\r\\nSubject: 2\\r\\n\nS: a2 OK %%\n"
    "C: a3 SELECT INBOX\nS*:\nS: a3 OK %%\n";
const std::string kFirst = "alice@example.org APPEND INBOX 1";
const std::string kSecond = "alice@example.org APPEND INBOX 2";

TEST(Told, OfAppendCopyAndMove) {
  EXPECT_THAT(seen_in(kTwoMails + "C: a4 COPY 1:2 Junk\nS: a4 OK %%\n"
                                  "C: a5 UID MOVE 2 \"Trash\"\nS*:\nS: a5 OK %%\n"),
              ElementsAre(kFirst, kSecond, "alice@example.org COPY Junk from INBOX 1,2",
                          "alice@example.org COPY Trash from INBOX 1"));
}

TEST(Told, OfFlagsThatHaveChanged) {
  EXPECT_THAT(
      seen_in(kTwoMails + "C: a4 STORE 1:2 +FLAGS (\\Seen $Junk)\nS*:\nS: a4 OK %%\n"
                          "C: a5 UID STORE 1 FLAGS.SILENT (\\Flagged $NotJunk)\nS*:\nS: a5 OK %%\n"
                          "C: a6 STORE 1 +FLAGS (\\Flagged)\nS*:\nS: a6 OK %%\n"),
      ElementsAre(kFirst, kSecond, "alice@example.org FLAG INBOX 1,2 1+$Junk- 2+\\Seen+$Junk-",
                  "alice@example.org FLAG INBOX 1 1+\\Flagged+$NotJunk-\\Seen-$Junk"));
}

TEST(NotTold, OfWhatWasNotDone) {
  EXPECT_THAT(seen_in("R: a1 APPEND None {10+}\\r\\nSubject: 1\\r\\n\nS: a1 NO %%\n"
                      "C: a2 SELECT INBOX\nS*:\nS: a2 OK %%\n"
                      "C: a3 UID COPY 1 Junk\nS: a3 OK %%\nC: a4 UID MOVE 7 Junk\nS: a4 OK %%\n"
                      "C: a5 UID STORE 9 +FLAGS ($Junk)\nS*:\nS: a5 OK %%\n"),
              IsEmpty());
}

TEST(NotTold, OfWhatOnlyReads) {
  EXPECT_THAT(seen_in(kTwoMails + "C: a4 FETCH 2 BODY[]\nS*:\nS: a4 OK %%\n"
                                  "C: a5 EXAMINE INBOX\nS*:\nS: a5 OK %%\n"
                                  "C: a6 STORE 1 +FLAGS ($Junk)\nS: a6 NO %%\n"),
              ElementsAre(kFirst, kSecond));
}

}  // namespace
}  // namespace posthorn::imap
