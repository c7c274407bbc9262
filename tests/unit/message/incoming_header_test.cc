#include "message/incoming_header.h"

#include <gtest/gtest.h>
#include <string>

#include "message/headers.h"

namespace posthorn::message {
namespace {

// As a session has it: the header is taken when it is whole, what follows is passed on.
std::string take(std::string_view text, std::size_t piece) {
  IncomingHeader header;
  std::size_t at = 0;
  bool whole = false;
  for (; at < text.size() && !whole; at += piece) whole = header.feed(text.substr(at, piece));
  if (!whole) header.finish();
  return header.fields() + "|" + header.rest() +
         std::string(text.substr(std::min(at, text.size())));
}

TEST(IncomingHeader, EveryKindInEveryPieceSize) {
  const struct {
    std::string input, output;
  } rows[] = {
      {"", "|"},
      {"\r\nbody\r\n", "|\r\nbody\r\n"},
      {"A: 1\r\n b\r\nC: 2\r\n\r\nbody\r\n", "A: 1\r\n b\r\nC: 2\r\n|\r\nbody\r\n"},
      {"A: 1\r\n", "A: 1\r\n|"},
      {"A: 1", "A: 1|"},
      // Postfix's smtpd: mbox lines on top.
      {"From x Mon Jan 1\r\nA: 1\r\n\r\nb\r\n",
       "X-Mailbox-Line: From x Mon Jan 1\r\nA: 1\r\n|\r\nb\r\n"},
      {">From x\r\n>>From y\r\nA: 1\r\n\r\n",
       "X-Mailbox-Line: >From x\r\nX-Mailbox-Line: >>From y\r\nA: 1\r\n|\r\n"},
      {"From x\r\n\r\nb\r\n", "X-Mailbox-Line: From x\r\n|\r\nb\r\n"},
      {"From x\r\n folded\r\nA: 1\r\n", "X-Mailbox-Line: From x\r\n|\r\n folded\r\nA: 1\r\n"},
      // Further down it is a line like any other that is no field.
      {"A: 1\r\nFrom x\r\nB: 2\r\n", "A: 1\r\n|\r\nFrom x\r\nB: 2\r\n"},
      {"A: 1\r\nno colon\r\nB: 2\r\n\r\nb\r\n", "A: 1\r\n|\r\nno colon\r\nB: 2\r\n\r\nb\r\n"},
      {"word\r\nB: 2\r\n", "|\r\nword\r\nB: 2\r\n"},
      {" folded first\r\nA: 1\r\n", "|\r\n folded first\r\nA: 1\r\n"},
      {"A: 1\r\ntwo words: x\r\n", "A: 1\r\n|\r\ntwo words: x\r\n"},
      {": x\r\n", "|\r\n: x\r\n"},
      {"A : 1\r\nB\t: 2\r\n\r\n", "A : 1\r\nB\t: 2\r\n|\r\n"},
      {"\xc3\x9c: 1\r\nX-\xfc: 2\r\n\r\n", "|\r\n\xc3\x9c: 1\r\nX-\xfc: 2\r\n\r\n"},
      {std::string("A: 1\r\nB\0: 2\r\n", 13), std::string("A: 1\r\n|\r\nB\0: 2\r\n", 16)},
      {"A: 1\r\n \r\nB: 2\r\n\r\n", "A: 1\r\n \r\nB: 2\r\n|\r\n"},
      {"A: 1\r\n.\r\n", "A: 1\r\n|\r\n.\r\n"},
      {"A: 1\r\nno end", "A: 1\r\n|\r\nno end"},
  };
  for (const auto& row : rows)
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 4096U})
      EXPECT_EQ(take(row.input, piece), row.output) << row.input << " by " << piece;
}

TEST(IncomingHeader, IsBounded) {
  std::string text;
  while (text.size() <= kHeaderMax) text += "X: " + std::string(900, 'x') + "\r\n";
  IncomingHeader header;
  EXPECT_TRUE(header.feed(text));
  EXPECT_LE(header.fields().size(), kHeaderMax);
  EXPECT_EQ(header.fields() + header.rest(), text);
  IncomingHeader line;
  EXPECT_TRUE(line.feed(std::string(kHeaderMax + 1, 'x')));
  EXPECT_EQ(line.fields(), "");
}

TEST(IncomingHeader, FieldsThatAreLeftOut) {
  EXPECT_EQ(
      without_fields("A: 1\r\nbCc: x,\r\n y\r\nB: 2\r\n f\r\nBCC : z\r\nBccx: 1\r\nResent-Bcc:\r\n",
                     {"Bcc", "Resent-Bcc"}),
      "A: 1\r\nB: 2\r\n f\r\nBccx: 1\r\n");
  EXPECT_EQ(without_fields("", {"Bcc"}), "");
  EXPECT_EQ(without_fields("Bcc: x", {"Bcc"}), "");
}

}  // namespace
}  // namespace posthorn::message
