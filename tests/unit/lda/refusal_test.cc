// Proves what a refusal by a script says, and that spam is refused to nobody.
#include "lda/refusal.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace posthorn::lda {
namespace {

TEST(RefusalText, TheScriptsWordsAreKept) {
  EXPECT_EQ(refusal_text("Kein Interesse an Grüßen.\r\nBitte nicht mehr.\r\n"),
            "Kein Interesse an Grüßen.\nBitte nicht mehr.");
  EXPECT_EQ(refusal_text("a\tb\x1b[2J\x7F\xFF\xC2\x85z"), "a b[2Jz");
  EXPECT_EQ(refusal_text("\r\n \n"), "Refused by the recipient");
  EXPECT_EQ(refusal_text(std::string("a\0b", 3)), "ab");
}

TEST(RefusalText, ALongOneEndsWithAWholeCharacter) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "€";
  const std::string text = refusal_text("x" + many);
  EXPECT_TRUE(is_utf8(text));
  EXPECT_EQ(text.size(), 898U);
}

TEST(Refuse, SpamIsDiscardedAndTheRestIsTold) {
  using Reason = smtp::RecipientResult::Reason;
  const sieve::Action asked{.what = sieve::Reject{.reason = "no"}, .script = "a.sieve", .line = 3};
  const Ending ending = refuse(message::Headers("Subject: x\r\n"), asked);
  const auto told = result_of(ending);
  EXPECT_EQ(told.reason, Reason::rejected);
  EXPECT_EQ(told.reply, (smtp::Reply{550, "5.7.1", "no"}));
  EXPECT_EQ(std::get<Refused>(ending).by.at, (sieve::ScriptLine{"a.sieve", 3}));
  const Ending dropped = refuse(message::Headers("X-Spam-Flag: YES\r\n"), asked);
  const auto silent = result_of(dropped);
  EXPECT_EQ(silent.reason, Reason::discarded);
  EXPECT_EQ(silent.reply.code, 250);
  EXPECT_EQ(std::get<Discarded>(dropped).by.at, (sieve::ScriptLine{"a.sieve", 3}));
}

}  // namespace
}  // namespace posthorn::lda
