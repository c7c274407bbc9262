// The log: whatever a peer puts into a value, it stays one value on one line; nothing is too long;
// what tests and operators rely on (ids, levels, the file) is there.
#include "base/log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <thread>

#include "base/events.h"
#include "tests/support/captured_log.h"
#include "tests/support/temp_folder.h"

namespace posthorn::log {
namespace {

using test::CapturedLog;

std::string repeated(std::size_t n, std::string_view what) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += what;
  return out;
}

TEST(LogEscape, Rows) {
  const struct {
    std::string value, written;
  } rows[] = {
      {"plain", "plain"},
      {"x@example.org", "x@example.org"},
      {"", "\"\""},
      {"two words", "\"two words\""},
      {"a=b", "\"a=b\""},
      {"say \"hi\"", R"("say \"hi\"")"},
      {"back\\slash", R"("back\\slash")"},
      {"x\r\nlevel=error event=forged", R"("x\x0D\x0Alevel=error event=forged")"},
      {"\x1B[2J\x07\x7F", R"("\x1B[2J\x07\x7F")"},
      {std::string("a\0b", 3), R"("a\x00b")"},
      {"tab\there", R"("tab\x09here")"},
      {"b\xC3\xB8rge", "\"b\xC3\xB8rge\""},
      {"\xE2\x82\xAC \xF0\x9F\x93\xAF", "\"\xE2\x82\xAC \xF0\x9F\x93\xAF\""},
      {"\xC2\x9B"
       "31m",
       R"("\xC2\x9B31m")"},                           // a C1 control: CSI
      {"\x80", R"("\x80")"},                          // a lone continuation
      {"\xC0\xAF", R"("\xC0\xAF")"},                  // overlong /
      {"\xE0\x80\xAF", R"("\xE0\x80\xAF")"},          // overlong
      {"\xED\xA0\x80", R"("\xED\xA0\x80")"},          // a surrogate
      {"\xF4\x90\x80\x80", R"("\xF4\x90\x80\x80")"},  // above U+10FFFF
      {"cut \xE2\x82", R"("cut \xE2\x82")"},          // ends in the middle
      {"\xFF\xFE", R"("\xFF\xFE")"},
  };
  for (const auto& row : rows) EXPECT_EQ(escape(row.value), row.written);
}

TEST(LogEscape, IsCutAt512Bytes) {
  EXPECT_EQ(escape(std::string(512, 'x')), std::string(512, 'x'));
  EXPECT_EQ(escape(std::string(513, 'x')), "\"" + std::string(512, 'x') + "…\"");
  EXPECT_EQ(escape(std::string(1'000'000, '\n')).size(), 2 + 512 * 4 + std::string("…").size());
  // The cut goes through a character: its half is written as bytes.
  EXPECT_EQ(escape(std::string(511, 'x') + "\xC3\xB8"), "\"" + std::string(511, 'x') + "\\xC3…\"");
}

// Any bytes: one line, printable, and the closing quote is not one of the value's.
TEST(LogEscape, AnyBytesStayOneValue) {
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string value(random() % 40, '\0');
    for (char& c : value) c = static_cast<char>(random());
    const std::string out = escape(value);
    if (!out.starts_with('"')) {
      EXPECT_EQ(out, value);
      EXPECT_EQ(out.find_first_of(" =\"\\\n\r\t"), std::string::npos);
      continue;
    }
    std::size_t at = 1;
    while (at < out.size() && out[at] != '"') {
      EXPECT_GE(static_cast<unsigned char>(out[at]), 0x20U);
      EXPECT_NE(out[at], '\x7F');
      at += out[at] == '\\' ? 2 : 1;
    }
    EXPECT_EQ(at, out.size() - 1) << out;
  }
}

TEST(Log, ALineHasItsPartsInOrder) {
  const CapturedLog log;
  Logger{}.with_session("S1").with_queue("Q1").warn(
      event::queue_deferred,
      {{"to", "a b"}, {"n", 5}, {"ms", std::chrono::seconds(2)}, {"minus", -3}, {"c", "x"}});
  Logger{}.info(event::queue_accepted);
  const auto lines = log.lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].substr(0, 3), "ts=");
  EXPECT_EQ(lines[0].substr(lines[0].find(" level=")),
            " level=warning role=- event=queue.deferred s=S1 q=Q1 to=\"a b\" n=5 ms=2000 minus=-3 "
            "c=x");
  EXPECT_TRUE(lines[1].ends_with(" level=info role=- event=queue.accepted s=- q=-"));
}

TEST(Log, IdsAreEscapedToo) {
  const CapturedLog log;
  Logger{}.with_session("x q=FORGED\n").with_queue("").info(event::queue_accepted);
  EXPECT_TRUE(log.lines()[0].ends_with(R"( s="x q=FORGED\x0A" q=-)"));
  EXPECT_EQ(log.count("\n"), 0);
}

TEST(Log, LevelsAreKept) {
  const struct {
    Level level;
    std::ptrdiff_t lines;
  } rows[] = {{Level::debug, 4}, {Level::info, 3}, {Level::warning, 2}, {Level::error, 1}};
  for (const auto& row : rows) {
    const CapturedLog log;
    set_level(row.level);
    const Logger logger;
    logger.debug(event::queue_accepted);
    logger.info(event::queue_accepted);
    logger.warn(event::queue_accepted);
    logger.error(event::queue_accepted);
    EXPECT_EQ(log.count("event=queue.accepted"), row.lines);
  }
  set_level(Level::info);
}

TEST(Log, CaptureEnds) {
  {
    const CapturedLog log;
    Logger{}.info(event::queue_accepted);
    EXPECT_EQ(log.lines().size(), 1U);
  }
  const CapturedLog log;
  EXPECT_TRUE(log.lines().empty());
}

TEST(Log, WritesToItsFileAndLivesWithoutOne) {
  const test::TempFolder folder;
  start({.level = Level::info, .role = "queue", .file = folder.path() / "log"});
  Logger{}.with_queue("Q1").info(event::queue_accepted, {{"x", repeated(2, "a\n")}});
  const auto text = read_file(folder.path() / "log");
  ASSERT_TRUE(text && *text);
  EXPECT_NE((*text)->find(R"(role=queue event=queue.accepted s=- q=Q1 x="a\x0Aa\x0A")"),
            std::string::npos);
  EXPECT_EQ(std::ranges::count(**text, '\n'), 1);
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  start({.level = Level::info, .role = "-", .file = folder.path()});  // a folder: not writable
  Logger{}.info(event::queue_removed);
  EXPECT_NE(testing::internal::GetCapturedStdout().find("event=queue.removed"), std::string::npos);
  EXPECT_TRUE(testing::internal::GetCapturedStderr().starts_with("log: "));
  start({});
}

std::vector<std::string> lines_of(const Path& file) {
  const auto text = read_file(file);
  EXPECT_TRUE(text && *text) << file;
  std::vector<std::string> lines;
  if (!text || !*text) return lines;
  EXPECT_TRUE((*text)->empty() || (*text)->ends_with('\n')) << file;
  std::istringstream stream(**text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// logrotate with `create`, again and again, while threads write: each line once, whole, in one of
// the files.
TEST(LogReopen, LosesAndTearsNoLine) {
  constexpr int kThreads = 4, kLines = 200, kTurns = 20;
  const test::TempFolder folder;
  const Path file = folder.path() / "log";
  start({.role = "edge", .file = file});
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t)
    writers.emplace_back([t] {
      for (int i = 0; i < kLines; ++i)
        Logger{}.info(event::queue_accepted,
                      {{"n", t * kLines + i}, {"x", std::string(512, '\n')}});
    });
  for (int turn = 0; turn < kTurns; ++turn) {
    std::filesystem::rename(file, folder.path() / fmt::format("log.{}", turn));
    const auto opened = reopen();
    ASSERT_TRUE(opened && *opened);
  }
  for (std::thread& writer : writers) writer.join();
  std::multiset<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    for (const std::string& line : lines_of(entry.path())) {
      EXPECT_TRUE(line.starts_with("ts=") && line.ends_with("\\x0A\"")) << line;
      const std::size_t at = line.find(" n=") + 3;
      found.insert(line.substr(at, line.find(' ', at) - at));
    }
  EXPECT_EQ(found.size(), std::size_t{kThreads * kLines});
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
  start({});
}

TEST(LogReopen, WhatCannotBeOpenedLeavesTheFileOfBefore) {
  const test::TempFolder folder;
  const Path file = folder.path() / "log", moved = folder.path() / "log.1";
  start({.role = "edge", .file = file});
  std::filesystem::rename(file, moved);
  for (const auto& put : {+[](const Path& at) { std::filesystem::create_directory(at); },
                          +[](const Path& at) { ASSERT_EQ(::mkfifo(at.c_str(), 0600), 0); },
                          +[](const Path& at) { std::filesystem::create_symlink(at, at); }}) {
    put(file);
    EXPECT_FALSE(reopen());  // and does not wait for a reader of the pipe
    Logger{}.info(event::queue_accepted);
    std::filesystem::remove(file);
  }
  EXPECT_EQ(lines_of(moved).size(), 3U);
  EXPECT_TRUE(reopen());
  Logger{}.info(event::queue_accepted);
  EXPECT_EQ(lines_of(file).size(), 1U);
  EXPECT_EQ(lines_of(moved).size(), 3U);
  // A folder that went is made again.
  std::filesystem::remove_all(folder.path());
  EXPECT_TRUE(reopen());
  Logger{}.info(event::queue_accepted);
  EXPECT_EQ(lines_of(file).size(), 1U);
  start({});
  const auto nothing = reopen();  // standard output
  EXPECT_TRUE(nothing && !*nothing);
}

// What a role does: it was given the file, and is given the next one.
TEST(LogReopen, ADescriptorThatWasGiven) {
  const test::TempFolder folder;
  const Path first = folder.path() / "1", second = folder.path() / "2";
  const auto open = [](const Path& path) { return *Disk::real().open(path, OpenMode::append); };
  start({.role = "edge", .file = "/nowhere/log", .descriptor = open(first).release()});
  EXPECT_GE(descriptor(), 0);
  Logger{}.info(event::queue_accepted);
  write_to(open(second));
  Logger{}.info(event::queue_accepted);
  EXPECT_EQ(lines_of(first).size(), 1U);
  EXPECT_EQ(lines_of(second).size(), 1U);
  start({});
  EXPECT_LT(descriptor(), 0);
}

}  // namespace
}  // namespace posthorn::log
