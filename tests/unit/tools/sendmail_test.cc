// Proves that sendmail's arguments mean what they have always meant, so that no program which calls
// it has to be changed: options glued together or apart, with their values glued or behind them.
#include "tools/sendmail.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>
#include <sstream>

namespace posthorn::tools {
namespace {

using Mode = SendmailOptions::Mode;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words{"sendmail"};
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// What was said, and nothing else: "t i f=bob N=never | alice@x".
std::string parsed(const std::string& line) {
  const auto options = parse_sendmail_arguments(words_of(line));
  if (!options) return "error";
  std::string text;
  const auto add = [&](bool is_said, const std::string& what) {
    if (is_said) text += (text.empty() ? "" : " ") + what;
  };
  constexpr const char* kModes[] = {"", "smtp", "list", "flush", "aliases", "daemon"};
  add(options->mode != Mode::submit, kModes[static_cast<int>(options->mode)]);
  add(options->takes_recipients, "t");
  add(options->ignores_dots, "i");
  add(options->is_verbose, "v");
  add(options->has_sender, "f=" + options->sender);
  add(!options->sender_name.empty(), "F=" + options->sender_name);
  add(!options->config_file.empty(), "C=" + options->config_file);
  add(!options->notify.empty(), "N=" + options->notify);
  add(!options->return_what.empty(), "R=" + options->return_what);
  add(!options->envelope_id.empty(), "V=" + options->envelope_id);
  if (!options->recipients.empty())
    text += fmt::format("| {}", fmt::join(options->recipients, " "));
  return text;
}

TEST(SendmailArguments, MeanWhatTheyHaveAlwaysMeant) {
  struct Row {
    const char* line;
    const char* meaning;
  };
  const Row rows[] = {
      {"", ""},
      {"bob@x carol@x", "| bob@x carol@x"},
      {"-t", "t"},
      {"-i", "i"},
      {"-oi", "i"},
      {"-v", "v"},
      {"-t -i", "t i"},
      {"-ti", "t i"},
      {"-it", "t i"},
      {"-tvi", "t i v"},
      {"-f bob@x", "f=bob@x"},
      {"-fbob@x", "f=bob@x"},
      {"-r bob@x", "f=bob@x"},
      {"-tf bob@x", "t f=bob@x"},
      {"-f <>", "f=<>"},
      {"-F Bob -t", "t F=Bob"},
      {"-FBob -t", "t F=Bob"},
      {"-C /etc/x.toml", "C=/etc/x.toml"},
      {"-N never", "N=never"},
      {"-N failure,delay x@y", "N=failure,delay| x@y"},
      {"-R hdrs", "R=hdrs"},
      {"-V id-7", "V=id-7"},
      {"-bm", ""},
      {"-bs", "smtp"},
      {"-bp", "list"},
      {"-bi", "aliases"},
      {"-bd", "daemon"},
      {"-bD", "daemon"},
      {"-bl", "daemon"},
      {"-q", "flush"},
      {"-q30m", "flush"},
      {"-I", "aliases"},
      // Passed over, with their values.
      {"-oem -odb -t", "t"},
      {"-o x -t", "t"},
      {"-A c -t", "t"},
      {"-Am -t", "t"},
      {"-B 8BITMIME x@y", "| x@y"},
      {"-h 5 x@y", "| x@y"},
      {"-L tag x@y", "| x@y"},
      {"-O k=v x@y", "| x@y"},
      {"-p ESMTP x@y", "| x@y"},
      {"-X log x@y", "| x@y"},
      {"-G -U -n -m -s x@y", "| x@y"},
      // Behind the recipients only these two count.
      {"x@y -t", "t| x@y"},
      {"x@y -i", "i| x@y"},
      {"x@y -oi", "i| x@y"},
      {"x@y -f bob@x", "| x@y -f bob@x"},
      {"-- -f@y", "| -f@y"},
      {"-t -- x@y", "t| x@y"},
      {"- x@y", "| - x@y"},
  };
  for (const Row& row : rows) EXPECT_EQ(parsed(row.line), row.meaning) << row.line;
}

TEST(SendmailArguments, WhatIsNoneOfThemIsRefused) {
  for (const char* line : {"-f", "-F", "-C", "-N", "-R", "-V", "-o", "-O", "-tf", "-b", "-bx",
                           "-bt", "-bv", "-Z", "-tZ", "--help"})
    EXPECT_EQ(parsed(line), "error") << line;
  const auto refused = parse_sendmail_arguments(words_of("-Z"));
  EXPECT_EQ(refused.error().kind, ErrorKind::protocol);
}

}  // namespace
}  // namespace posthorn::tools
