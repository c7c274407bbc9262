// Transcripts: a dialog between a client and one of our protocol engines, as a text file, run
// without a socket and with the client's bytes cut into pieces of every small size.
//
//   # a comment
//   @ name value        a setting for this file, for the test program that runs it
//   C: text             the client sends text and CRLF (\r \n \t \0 \\ \xNN are escapes, \*9{ab} is
//                       ab nine times)
//   R: text             the client sends text alone
//   S: text             the server must say exactly this line; %% stands for any characters
//   S?: text            … or it may leave it out
//   S*:                 any lines, up to one that fits the next S:
//   = name value        what must be so now, checked by the test program
//   A:  B:              the lines that follow are of the first or the second session
//   T: 2min             time passes (s, min, h)
//   CLOSE               the client closes
//   END                 the server must have closed, with nothing more said
#pragma once

#include <asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "net/scope.h"
#include "tests/support/jumping_clock.h"
#include "tests/support/memory_stream.h"

namespace posthorn::test {

struct Transcript {
  struct Line {
    int number = 0;
    std::string kind;  // "C", "R", "S", "S?", "S*", "=", "A", "B", "T", "CLOSE", "END"
    std::string text;  // unescaped
  };
  std::string name;
  std::map<std::string, std::string> settings;
  std::vector<Line> lines;

  static Transcript read(const std::filesystem::path& file);
  bool has(const std::string& setting) const { return settings.contains(setting); }
  std::string setting(const std::string& setting, const std::string& otherwise = {}) const {
    return has(setting) ? settings.at(setting) : otherwise;
  }
};

// The transcripts of tests/transcripts/<folder>, in the order of their names.
std::vector<std::filesystem::path> transcripts_in(const std::string& folder);
// A test for each of them: TEST_P(Transcripts, …) with GetParam() as the file, named after it.
class TranscriptTest : public ::testing::TestWithParam<std::filesystem::path> {};
std::string test_name(const ::testing::TestParamInfo<std::filesystem::path>& file);

struct TranscriptServer {
  JumpingClock& clock;  // of the scope that the server runs in
  // Serves one connection; called when session 'A' or 'B' first speaks or listens. It may put bytes
  // onto the wire before anything else (a hand-over's first line).
  std::function<net::Awaitable<void>(char session, std::shared_ptr<MemoryWire> wire)> serve;
  // Checks a "= name value" line; the text of what is wrong, or nothing. Without it there are no
  // such lines.
  std::function<std::string(const std::string& name, const std::string& value)> check = {};
};

// Runs it with the client's bytes in pieces of that size; the text of what is wrong, or nothing.
// The context must be run by nobody else.
std::string run_transcript(asio::io_context& context, net::Scope& scope,
                           const Transcript& transcript, const TranscriptServer& server,
                           std::size_t piece);

// Runs it with each size: 1, 2, 3, 5, 7, 16 bytes and whole; "@ pieces whole" leaves only the last.
// What run says is wrong fails the test.
void run_in_pieces(const Transcript& transcript,
                   const std::function<std::string(std::size_t piece)>& run);

}  // namespace posthorn::test
