// spamd's answers, read: the fields that were asked for and no others, each a field that can stand
// on top of a message; whatever is cut or strange is an Error, and the mail waits.
#include <gtest/gtest.h>

#include "filter/filter.h"

namespace posthorn::filter {
namespace {

std::string headers(std::string_view block) {
  const auto verdict = parse_spamd_answer(
      "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15.3 / 5.0\r\n\r\n" + std::string(block), {"X-Spam-"});
  return verdict ? verdict->headers : verdict.error().what;
}

TEST(SpamdAnswer, TheVerdict) {
  const auto spam = parse_spamd_answer("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15.3 / 5.0\r\n\r\n", {});
  ASSERT_TRUE(spam);
  EXPECT_TRUE(spam->is_spam);
  EXPECT_EQ(spam->score, "15.3");
  EXPECT_EQ(spam->required, "5.0");
  const auto ham = parse_spamd_answer("SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1\r\n\r\n", {});
  ASSERT_TRUE(ham);
  EXPECT_FALSE(ham->is_spam);
  for (const char* wrong :
       {"", "HTTP/1.1 200 OK\r\n\r\n", "SPAMD/1.1 76 Bad header\r\n\r\n", "SPAMD/1.1 0 EX_OK\r\n",
        "SPAMD/1.1 0 EX_OK\r\nContent-length: 5\r\n\r\nabc", "SPAMD/1.1",
        // No verdict is not ham.
        "SPAMD/1.1 0 EX_OK\r\n\r\n", "SPAMD/1.1 0 PONG\r\n\r\n",
        "SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\n\r\n"}) {
    const auto verdict = parse_spamd_answer(wrong, {});
    ASSERT_FALSE(verdict) << wrong;
    EXPECT_EQ(verdict.error().kind, ErrorKind::temporary) << wrong;
  }
}

TEST(SpamdAnswer, OnlyWholeFieldsOfTheWantedNames) {
  EXPECT_EQ(headers("X-Spam-Flag: YES\r\nSubject: x\r\n folded\r\nx-spam-level: **\r\n"),
            "X-Spam-Flag: YES\r\nx-spam-level: **\r\n");
  EXPECT_EQ(headers("X-Spam-Report: a\r\n\tb\r\n c\r\nTo: d\r\n\r\nX-Spam-Body: e\r\n"),
            "X-Spam-Report: a\r\n\tb\r\n c\r\n");
  EXPECT_EQ(headers("X-Spam-Flag: a\x1B[2J\r\n"), "X-Spam-Flag: a?[2J\r\n");
  // No field: on top of a message it would turn the message's header into text.
  for (const char* line : {"X-Spam-Fl ag: YES", "X-Spam-\x01: YES", "X-Spam-\xC3\xA4: YES",
                           "X-Spam-Flag", "X-Spam-Flag : YES"})
    EXPECT_EQ(headers(std::string(line) + "\r\n folded\r\n"), "") << line;
  EXPECT_EQ(headers("X-Spam-" + std::string(1000, 'a') + ": YES\r\n"), "");
}

}  // namespace
}  // namespace posthorn::filter
