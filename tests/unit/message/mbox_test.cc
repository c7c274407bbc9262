#include "message/mbox.h"

#include <gtest/gtest.h>

namespace posthorn::message {
namespace {

std::vector<MboxMessage> read(std::string_view text, std::size_t piece = 1'000'000) {
  MboxReader reader;
  std::vector<MboxMessage> found;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    reader.feed(text.substr(0, piece));
    while (auto message = reader.take()) found.push_back(*std::move(message));
  }
  reader.finish();
  while (auto message = reader.take()) found.push_back(*std::move(message));
  return found;
}

TEST(Mbox, ReadsMessagesInEveryPiece) {
  const std::string text =
      "From alice@example.org Sat Nov 21 04:26:46 2026\nSubject: one\nStatus: RO\nX-Status: AF\n"
      "X-Keywords: Work $Forwarded\nX-UID: 7\nContent-Length: 3\n\n>From here\n>>From there\n>not\n"
      "From nowhere special\n\nFrom me to you\n\n"
      "From MAILER-DAEMON Sun Nov 22 04:26:46 2026\r\nSubject: two\r\n\r\nlast";
  for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 64UL, 10'000UL}) {
    const auto found = read(text, piece);
    ASSERT_EQ(found.size(), 2U) << piece;
    EXPECT_EQ(found[0].sender, "alice@example.org");
    EXPECT_EQ(found[0].date, WallTime(std::chrono::seconds(1'795'235'206)));
    EXPECT_EQ(found[0].text,
              "Subject: one\n\nFrom here\n>From there\n>not\nFrom nowhere special\n\nFrom me to "
              "you\n");
    EXPECT_TRUE(found[0].marks.seen && found[0].marks.old && found[0].marks.answered &&
                found[0].marks.flagged && !found[0].marks.deleted && !found[0].marks.draft);
    EXPECT_EQ(found[0].marks.keywords, (std::vector<std::string>{"Work", "$Forwarded"}));
    EXPECT_EQ(found[1].text, "Subject: two\n\nlast\n");
    EXPECT_EQ(found[1].marks, MboxMarks{});
    EXPECT_EQ(found[0].end, text.find("From MAILER-DAEMON"));
    EXPECT_EQ(found[1].end, text.size());
  }
}

TEST(Mbox, ThereAndBack) {
  const std::vector<std::string> texts = {
      "Subject: x\n\nbody\n",
      "Subject: x\n\nFrom a Sat Nov 21 04:26:46 2026\n>From b\n>>>From c\n\n\n",
      "Subject: x\n\n",
      "Subject: x\n\n\n\n",
      "Subject: x\nFrom: y\n\nno From \n",
  };
  std::string file;
  std::vector<MboxMessage> messages;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    MboxMessage message{
        .sender = "a@b", .date = WallTime(1'000'000'000s), .marks = {}, .text = texts[i]};
    message.marks.seen = i % 2 == 0;
    message.marks.deleted = message.marks.draft = i % 3 == 0;
    if (i == 2) message.marks.keywords = {"k"};
    file += format_mbox_message(message);
    messages.push_back(std::move(message));
  }
  const auto found = read(file);
  ASSERT_EQ(found.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(found[i].text, texts[i]) << i;
    EXPECT_EQ(found[i].marks, messages[i].marks) << i;
    EXPECT_EQ(found[i].date, messages[i].date) << i;
    EXPECT_EQ(found[i].sender, "a@b");
  }
}

TEST(Mbox, FromLines) {
  const WallTime when(std::chrono::seconds(1'795'235'206));
  for (const std::string_view line :
       {"From a@b Sat Nov 21 04:26:46 2026", "From a@b  Sat Nov 21 04:26:46 2026 +0000",
        "From a@b Sat Nov 21 06:26:46 +0200 2026", "From \"a b\"@c Sat Nov 21 04:26:46 UTC 2026",
        "From Sat Nov 21 04:26:46 2026", "From a@b Sat Nov 21 04:26:46 2026 remote from x"}) {
    const auto from = parse_from_line(line);
    ASSERT_TRUE(from) << line;
    EXPECT_EQ(from->date, when) << line;
  }
  for (const std::string_view line :
       {"From here to there", "From a@b", "From a@b Sat Nov 21 2026",
        "from a Sat Nov 21 04:26 2026", "From a Xxx Nov 21 04:26:46 2026",
        "From a Sat Nov 0 04:26:46 2026", "From a Sat Nov 21 24:26:46 2026",
        ">From a Sat Nov 21 04:26:46 2026"})
    EXPECT_FALSE(parse_from_line(line)) << line;
}

TEST(Mbox, WhatIsNone) {
  MboxReader reader;
  reader.feed("Subject: a mail, not an mbox\n\nx\n");
  reader.finish();
  EXPECT_TRUE(reader.is_foreign());
  EXPECT_FALSE(reader.take());
  EXPECT_TRUE(read("").empty());
  EXPECT_TRUE(
      read("From MAILER-DAEMON Sat Nov 21 04:26:46 2026\nSubject: DON'T DELETE THIS MESSAGE "
           "-- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nx\n\n")
          .empty());
}

}  // namespace
}  // namespace posthorn::message
