// Proves which mail no program answers (RFC 5230 section 4.6, RFC 3834 section 2).
#include "lda/answer_rules.h"

#include <gtest/gtest.h>

namespace posthorn::lda {
namespace {

bool is_silent(std::string_view header, std::string_view sender = "friend@elsewhere.test") {
  return find_reason_for_silence(message::Headers(header), sender).has_value();
}

TEST(AnswerRules, PeopleAreAnswered) {
  EXPECT_FALSE(is_silent("Subject: hello\r\n"));
  for (const char* header :
       {"Auto-Submitted: no\r\n", "Auto-Submitted: No (really)\r\n", "Precedence: first-class\r\n",
        "X-Auto-Response-Suppress: DR, RN\r\n", "X-Spam-Flag: NO\r\n", "Lists: x\r\n",
        "Content-Type: multipart/mixed; boundary=report\r\n"})
    EXPECT_FALSE(is_silent(header)) << header;
  for (const char* sender : {"owner@x", "request@x", "mailers@x", "bouncer@x", "daemon@x",
                             "mailer-daemon.fan@x", "x@owner-lists.test"})
    EXPECT_FALSE(is_silent("", sender)) << sender;
}

TEST(AnswerRules, ListsAreNot) {
  for (const char* header :
       {"List-Id: <a.b>\r\n", "List-Unsubscribe: <mailto:a@b>\r\n", "LIST-POST: NO\r\n",
        "list-help: x\r\n", "Precedence: bulk\r\n", "Precedence: Junk\r\n", "Precedence: list\r\n"})
    EXPECT_TRUE(is_silent(header)) << header;
}

TEST(AnswerRules, ProgramsAreNot) {
  for (const char* header :
       {"Auto-Submitted: auto-replied\r\n", "Auto-Submitted: Auto-Generated; x=y\r\n",
        "Auto-Submitted: auto-notified; owner-email=\"a@b\"\r\n", "Auto-Submitted: unknown\r\n",
        "Auto-Submitted: no\r\nAuto-Submitted: auto-replied\r\n",
        "X-Auto-Response-Suppress: All\r\n", "X-Auto-Response-Suppress: DR, OOF\r\n",
        "X-Auto-Response-Suppress: AutoReply\r\n",
        "Content-Type: multipart/report; report-type=disposition-notification\r\n"})
    EXPECT_TRUE(is_silent(header)) << header;
  for (const char* sender :
       {"", "MAILER-DAEMON@x", "Mailer-Daemon", "listserv@x", "Majordomo@x", "owner-list@x",
        "list-request@x", "list-owner@x", "list-bounces@x", "list-bounces+a=b@x", "bounces+1@x"})
    EXPECT_TRUE(is_silent("", sender)) << sender;
}

TEST(AnswerRules, SpamIsNot) {
  EXPECT_TRUE(is_silent("X-Spam-Flag: YES\r\n"));
  EXPECT_TRUE(is_marked_spam(message::Headers("X-Spam-Flag: yes\r\n")));
  EXPECT_FALSE(is_marked_spam(message::Headers("X-Spam-Status: No\r\n")));
}

}  // namespace
}  // namespace posthorn::lda
