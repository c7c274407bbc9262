#include "smtp/proto/data_decoder.h"

#include <gtest/gtest.h>
#include <string>

namespace posthorn::smtp {
namespace {

struct Decoded {
  std::string text;
  bool ended = false;
  bool behind_cr = false;
  std::string rest;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view input, std::size_t piece) {
  DataDecoder decoder;
  Decoded out;
  std::size_t at = 0;
  while (at < input.size() && !out.ended) {
    std::string_view part = input.substr(at, piece);
    const std::size_t had = part.size();
    out.ended = decoder.feed(part, [&](std::string_view text) { out.text += text; });
    at += had - part.size();
  }
  out.behind_cr = out.ended && decoder.ended_behind_cr();
  out.rest = input.substr(at);
  return out;
}

TEST(DataDecoder, EveryEndVariantInEveryPieceSize) {
  const struct {
    std::string input;
    std::string text;
    bool ended;
    bool behind_cr;
    std::string rest;
  } rows[] = {
      {"a\r\n.\r\nQUIT\r\n", "a\r\n", true, false, "QUIT\r\n"},
      {".\r\n", "", true, false, ""},
      {"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", true, false, ""},
      {"b\n.\n", "b\n.\n", false, false, ""},
      {"b\n.\r\n.\r\n", "b\n.\r\n", true, false, ""},
      {"b\r\n.\n.\r\n", "b\r\n\n.\r\n", false, false, ""},
      {"b\r.\r\r\n.\r\n", "b\r.\r\r\n", true, true, ""},
      {"b\r\n.\r\r\n.\r\n", "b\r\n\r\r\n", true, true, ""},
      {"b\r\n.\rx\r\n.\r\n", "b\r\n\rx\r\n", true, false, ""},
      {std::string("b\0\r\n.\r\n", 7), std::string("b\0\r\n", 4), true, false, ""},
      {"b\r\n. \r\n.\r\n", "b\r\n \r\n", true, false, ""},
      {"b\r\r\n.\r\nQUIT\r\n", "b\r\r\n", true, true, "QUIT\r\n"},
      {"\r\r\n.\r\n", "\r\r\n", true, true, ""},
      {"b\r\r\r\n.\r\n", "b\r\r\r\n", true, true, ""},
      {"b\r\r\nc\r\n.\r\n", "b\r\r\nc\r\n", true, false, ""},
      {"b\r\r\n..\r\n.\r\n", "b\r\r\n.\r\n", true, false, ""},
  };
  for (const auto& row : rows)
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 4096U})
      EXPECT_EQ(decode(row.input, piece), (Decoded{row.text, row.ended, row.behind_cr, row.rest}))
          << row.input << " by " << piece;
}

}  // namespace
}  // namespace posthorn::smtp
