// ManageSieve after the login, dialog by dialog (tests/transcripts/managesieve/session).
//
//   @ scripts_max 2         sieve.scripts_max; script_size_max and line_max likewise
//   = file NAME, text       there is such a file in the home (before the session, or while it runs)
//   = link target           .dovecot.sieve is made to say this
//   = holds NAME, text      this file in the home holds that text now
//   = active target         .dovecot.sieve says this now; "none"
#include <fstream>

#include "managesieve/server/session.h"
#include "tests/support/session_transcripts.h"

namespace posthorn::managesieve {
namespace {

namespace fs = std::filesystem;
using Transcripts = test::TranscriptTest;

class Home {
 public:
  explicit Home(Path path) : path_(std::move(path)) { fs::create_directories(path_ / "sieve"); }

  std::string check(const std::string& name, const std::string& value) const {
    const std::size_t comma = value.find(", ");
    const Path file = path_ / value.substr(0, comma);
    const std::string text = comma == std::string::npos ? "" : value.substr(comma + 2);
    const Path link = path_ / ".dovecot.sieve";
    if (name == "file") {
      test::write_text(file, text);
      return "";
    }
    if (name == "link") {
      fs::remove(link);
      fs::create_symlink(value, link);
      return "";
    }
    if (name == "holds") {
      const std::string found = test::read_text(file);
      return found == text ? "" : "it holds: " + found;
    }
    if (name != "active") return "no check " + name;
    const auto target = find_link_target(link);
    const std::string found = target && *target ? **target : "none";
    return found == value ? "" : "active is: " + found;
  }

 private:
  Path path_;
};

TEST_P(Transcripts, InPieces) {
  const auto transcript = test::Transcript::read(GetParam());
  config::Config config;
  config.sieve.scripts_max = std::stoul(transcript.setting("scripts_max", "100"));
  config.sieve.script_size_max = std::stoul(transcript.setting("script_size_max", "1048576"));
  config.managesieve.line_max = std::stoul(transcript.setting("line_max", "16384"));
  test::run_in_pieces(transcript, [&](std::size_t piece) {
    const test::TempFolder folder;
    const Home home(folder.path() / "example.org/alice");
    return test::run_session_transcript(
        {.transcript = transcript,
         .service = "managesieve",
         .tag = {},
         .mail = folder.path(),
         .check = [&](const std::string& name,
                      const std::string& value) { return home.check(name, value); }},
        piece, config, serve);
  });
}

INSTANTIATE_TEST_SUITE_P(ManageSieve, Transcripts,
                         ::testing::ValuesIn(test::transcripts_in("managesieve/session")),
                         test::test_name);

}  // namespace
}  // namespace posthorn::managesieve
