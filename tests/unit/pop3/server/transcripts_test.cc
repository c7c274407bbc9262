// POP3 after the login, dialog by dialog (tests/transcripts/pop3/session). What a dialog says of
// its INBOX:
//
//   = file cur/1.a.h:2, text    there is such a message file (before the session, or while it runs)
//   = gone cur/1.a.h:2,         another program removes it
//   = uidlist text              dovecot-uidlist
//   = files cur/1.a.h:2,S …     these are in cur/ and new/ now, in order, and no others
#include <fstream>

#include "pop3/server/session.h"
#include "tests/support/session_transcripts.h"

namespace posthorn::pop3 {
namespace {

using Transcripts = test::TranscriptTest;

class Inbox {
 public:
  explicit Inbox(Path path) : path_(std::move(path)) {
    for (const char* folder : {"cur", "new", "tmp"})
      std::filesystem::create_directories(path_ / folder);
  }
  std::string check(const std::string& name, const std::string& value) const {
    const std::string file = value.substr(0, value.find(' '));
    const std::string text = file.size() < value.size() ? value.substr(file.size() + 1) : "";
    if (name == "file") {
      std::ofstream(path_ / file, std::ios::binary) << text;
      return "";
    }
    if (name == "gone") return std::filesystem::remove(path_ / file) ? "" : file + " is not there";
    if (name == "uidlist") {
      std::ofstream(path_ / "dovecot-uidlist", std::ios::binary) << value;
      return "";
    }
    if (name != "files") return "no check " + name;
    const std::string found = files();
    return found == value ? "" : "there is: " + found;
  }

 private:
  std::string files() const {
    std::vector<std::string> names;
    for (const char* folder : {"cur", "new"})
      for (const auto& entry : std::filesystem::directory_iterator(path_ / folder))
        names.push_back(std::string(folder) + "/" + entry.path().filename().native());
    std::ranges::sort(names);
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : " ") + name;
    return all;
  }
  Path path_;
};

TEST_P(Transcripts, InPieces) {
  const auto transcript = test::Transcript::read(GetParam());
  config::Pop3 config;
  config.mark_seen = transcript.setting("mark_seen") != "no";
  test::run_in_pieces(transcript, [&](std::size_t piece) {
    const test::TempFolder folder;
    const Inbox inbox(folder.path() / "example.org/alice");
    return test::run_session_transcript(
        {.transcript = transcript,
         .service = "pop3",
         .tag = {},
         .mail = folder.path(),
         .check = [&](const std::string& name,
                      const std::string& value) { return inbox.check(name, value); }},
        piece, config, serve);
  });
}

INSTANTIATE_TEST_SUITE_P(Pop3, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("pop3/session")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::pop3
