#include "smtp/proto/data_decoder.h"

#include <gtest/gtest.h>
#include <string>

namespace posthorn::smtp {
namespace {

struct Decoded {
  std::string text;
  bool ended = false;
  DataDecoder::Fault fault = DataDecoder::Fault::none;
  std::string rest;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view input, std::size_t piece) {
  DataDecoder decoder(1000);
  Decoded out;
  std::size_t at = 0;
  while (at < input.size() && !out.ended) {
    std::string_view part = input.substr(at, piece);
    const std::size_t had = part.size();
    out.ended = decoder.feed(part, [&](std::string_view text) { out.text += text; });
    at += had - part.size();
  }
  out.fault = decoder.fault();
  out.rest = input.substr(at);
  return out;
}

using Fault = DataDecoder::Fault;

TEST(DataDecoder, EveryEndVariantInEveryPieceSize) {
  const struct {
    std::string input;
    std::string text;
    bool ended;
    Fault fault;
    std::string rest;
  } rows[] = {
      {"a\r\n.\r\nQUIT\r\n", "a\r\n", true, Fault::none, "QUIT\r\n"},
      {".\r\n", "", true, Fault::none, ""},
      {"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", true, Fault::none, ""},
      {"b\n.\n", "b\n.\n", false, Fault::bare_line_end, ""},
      {"b\n.\r\n.\r\n", "b\n.\r\n", true, Fault::bare_line_end, ""},
      {"b\r\n.\n.\r\n", "b\r\n\n.\r\n", false, Fault::bare_line_end, ""},
      {"b\r.\r\r\n.\r\n", "b\r.\r\r\n", true, Fault::bare_line_end, ""},
      {"b\r\n.\rx\r\n.\r\n", "b\r\n\rx\r\n", true, Fault::bare_line_end, ""},
      {std::string("b\0\r\n.\r\n", 7), std::string("b\0\r\n", 4), true, Fault::nul, ""},
      {"b\r\n. \r\n.\r\n", "b\r\n \r\n", true, Fault::none, ""},
      {std::string(1001, 'x') + "\r\n.\r\n", std::string(1001, 'x') + "\r\n", true,
       Fault::long_line, ""},
  };
  for (const auto& row : rows)
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 4096U})
      EXPECT_EQ(decode(row.input, piece), (Decoded{row.text, row.ended, row.fault, row.rest}))
          << row.input << " by " << piece;
}

}  // namespace
}  // namespace posthorn::smtp
