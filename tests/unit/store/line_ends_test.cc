#include "store/line_ends.h"

#include "harness.h"

namespace posthorn::store {
namespace {

struct Row {
  std::string wire;
  std::string disk;
  std::string back;  // what comes out again
};
const Row kRows[] = {
    {"", "", ""},
    {"a\r\nb\r\n", "a\nb\n", "a\r\nb\r\n"},
    {"\r\n\r\n", "\n\n", "\r\n\r\n"},
    {"no end", "no end", "no end"},
    {"ends in CR\r", "ends in CR\r", "ends in CR\r"},
    {"lone\rCR\r\n", "lone\rCR\n", "lone\rCR\r\n"},
    {"two\r\r\n", "two\r\r\n", "two\r\r\n"},
    {"three\r\r\r\nx", "three\r\r\r\nx", "three\r\r\r\nx"},
    {"\r\r\n", "\r\r\n", "\r\r\n"},
    {"\r\n", "\n", "\r\n"},
    {"bare\nLF\n", "bare\nLF\n", "bare\r\nLF\r\n"},
    {"\n\r\n\n", "\n\n\n", "\r\n\r\n\r\n"},
    {std::string("nul\0x\r\n", 7), std::string("nul\0x\n", 6), std::string("nul\0x\r\n", 7)},
};

TEST(LineEnds, GoInAndComeBackInPiecesOfAnySize) {
  for (const Row& row : kRows) {
    for (std::size_t piece = 1; piece <= row.wire.size() + 1; ++piece) {
      LfConverter in;
      std::string disk;
      for (std::size_t at = 0; at < row.wire.size(); at += piece)
        in.feed(std::string_view(row.wire).substr(at, piece), disk);
      in.finish(disk);
      EXPECT_EQ(disk, row.disk) << testing::PrintToString(row.wire) << " by " << piece;
      EXPECT_EQ(in.size(), row.disk.size());
      EXPECT_EQ(in.wire_size(), row.back.size()) << testing::PrintToString(row.wire);
      EXPECT_EQ(wire_size_of(disk), row.back.size());
      // Out again, with input pieces and output room of that size.
      CrlfConverter out;
      std::string back;
      std::string room(piece, '\0');
      std::string_view rest = disk;
      while (!rest.empty()) {
        const auto step = out.convert(rest.substr(0, piece), room);
        back.append(room, 0, step.written);
        rest.remove_prefix(step.taken);
        ASSERT_TRUE(step.taken > 0 || step.written > 0);
      }
      EXPECT_EQ(back, row.back) << testing::PrintToString(row.wire) << " by " << piece;
      CrlfConverter whole;
      std::string appended;
      whole.append(disk, appended);
      EXPECT_EQ(appended, row.back);
    }
  }
}

TEST(LineEnds, AnyRangeOfAFileInWireForm) {
  TempFolder folder;
  const std::string text = "one\ntwo\r\n\nthree\n";
  write_text(folder.path() / "m", text);
  auto file = Disk::real().open(folder.path() / "m", OpenMode::read);
  ASSERT_TRUE(file);
  for (std::size_t begin = 0; begin <= text.size(); ++begin) {
    for (std::size_t end = begin; end <= text.size(); ++end) {
      const char before = begin == 0 ? '\0' : text[begin - 1];
      std::string expected;
      CrlfConverter(before).append(text.substr(begin, end - begin), expected);
      CrlfReader reader(*file, begin, end);
      EXPECT_EQ(*reader.read_all(1000), expected);
      EXPECT_EQ(*count_wire_size(*file, begin, end), expected.size());
      for (std::size_t skip = 0; skip <= expected.size() + 1; ++skip) {
        CrlfReader partial(*file, begin, end);
        EXPECT_EQ(*partial.skip(skip), std::min(skip, expected.size()));
        std::string piece(3, '\0');
        const std::size_t n = *partial.read(piece);
        EXPECT_EQ(piece.substr(0, n), expected.substr(std::min(skip, expected.size()), 3));
      }
    }
  }
}

TEST(LineEnds, AFileOfSeveralBuffers) {
  TempFolder folder;
  std::string wire;
  for (int i = 0; i < 20'000; ++i)
    wire +=
        "line " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 37), 'x') + "\r\n";
  LfConverter in;
  std::string disk;
  in.feed(wire, disk);
  in.finish(disk);
  write_text(folder.path() / "m", disk);
  auto file = Disk::real().open(folder.path() / "m", OpenMode::read);
  ASSERT_TRUE(file);
  CrlfReader reader(*file, 0, disk.size());
  EXPECT_EQ(*reader.read_all(1U << 30U), wire);
  EXPECT_EQ(in.wire_size(), wire.size());
  EXPECT_EQ(*count_wire_size(*file, 0, disk.size()), wire.size());
}

}  // namespace
}  // namespace posthorn::store
