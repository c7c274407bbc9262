// The header of a message's file, of every length around the pieces that are read, and whatever it
// ends with; nothing of the body comes along.
#include "store/message_text.h"

#include <gtest/gtest.h>

#include "message/headers.h"
#include "tests/unit/store/harness.h"

namespace posthorn::store {
namespace {

TEST(MessageText, TheHeaderWithItsEmptyLine) {
  const TempFolder folder;
  Process process(folder.path());
  const std::string line = "X-Line: " + std::string(70, 'x') + "\r\n";
  std::string many;
  for (int i = 0; i < 500; ++i) many += line;
  std::vector<std::string> mails = {
      "\r\n", "\r\nbody\r\n",      "Subject: x\r\n", "a\r\n\r\nb\r\n\r\nc\r\n",
      many,   many + "\r\n" + many};
  for (std::size_t size = 16'300; size < 16'400; size += 7)
    mails.push_back("Subject: " + std::string(size - 11, 's') + "\r\n\r\nbody " + line);
  for (const std::string& mail : mails) {
    const Placed placed = process.deliver("INBOX", mail);
    const ViewPtr view = process.view();
    const auto opened = process.get(view->mailbox().open_message(placed.uid));
    ASSERT_TRUE(opened);
    const auto text = read_text(*opened);
    const auto header = read_header(*opened);
    ASSERT_TRUE(text && header);
    EXPECT_EQ(*text, mail);
    const auto end = message::find_header_end(*text, message::Input::whole);
    EXPECT_EQ(*header, text->substr(0, end->body_begin)) << mail.size();
  }
}

}  // namespace
}  // namespace posthorn::store
