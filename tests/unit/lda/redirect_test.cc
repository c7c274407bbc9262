// Proves what Sieve's redirect does: a whole copy goes to the queue with the sender kept, once; a
// loop is stopped, what cannot be sent on stays here, and what cannot be asked is tried again.
#include "lda/redirect.h"

#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Replies = std::vector<std::string>;

struct RedirectTest : DeliveryTest {
  RedirectTest() {
    directory.recipients["bob@elsewhere.test"] =
        route::Expansion{.recipients = {"bob@elsewhere.test"}};
    script("default.sieve", "redirect \"bob@elsewhere.test\";\n");
    start();
  }
  // Reads them anew.
  void rewrite(std::string_view text) {
    script("default.sieve", text);
    test::Watched watched(loop, 1h, *scripts);
    EXPECT_TRUE(watched.reload().empty());
  }
};

TEST_F(RedirectTest, ACopyGoesToTheQueueWithTheSenderKept) {
  const std::string mail = std::string(kMail) + std::string(150'000, 'x') + "\r\nend\r\n";
  EXPECT_EQ(deliver({"alice+lists@example.org"}, mail), Replies{"250 2.0.0"});
  ASSERT_EQ(queue.committed().size(), 1U);
  const Outgoing::Mail sent = queue.committed().front();
  EXPECT_EQ(sent.envelope.sender, "friend@elsewhere.test");
  ASSERT_EQ(sent.envelope.recipients.size(), 1U);
  EXPECT_EQ(sent.envelope.recipients[0].address, "bob@elsewhere.test");
  EXPECT_EQ(sent.envelope.recipients[0].original, "rfc822;alice+lists@example.org");
  EXPECT_EQ(sent.text, "X-Sieve-Redirected-From: alice@example.org\r\n" + mail);
  EXPECT_EQ(directory.asked, Replies{"recipient bob@elsewhere.test relay"});
  EXPECT_EQ(count("alice"), 0U);
}

TEST_F(RedirectTest, WithAKeepThereIsACopyHereToo) {
  rewrite("redirect \"bob@elsewhere.test\"; keep;\n");
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(queue.committed().size(), 1U);
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(RedirectTest, WhatThisAccountHasSentOnBeforeStaysHere) {
  const std::string mail(kMail);
  EXPECT_EQ(deliver({"alice@example.org"}, "X-Sieve-Redirected-From: ALICE@example.org\r\n" + mail),
            Replies{"250 2.0.0"});
  EXPECT_EQ(queue.mails.size(), 0U);
  EXPECT_EQ(count("alice"), 1U);
  // Another account's is none of this one's loops.
  deliver({"alice@example.org"}, "X-Sieve-Redirected-From: carol@example.org\r\n" + mail);
  EXPECT_EQ(queue.committed().size(), 1U);
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(RedirectTest, HandedOverAgainItIsNotSentTwice) {
  rewrite("redirect \"bob@elsewhere.test\"; keep;\n");
  queue.after_commit = [this] {
    disk.arm({.fault = test::FaultDisk::Fault::for_good, .at = 1, .error = ENOSPC});
  };
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"451 4.2.0"});
  EXPECT_EQ(count("alice"), 0U);
  disk.arm({});
  queue.after_commit = [] {};
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 1U);
  EXPECT_EQ(queue.committed().size(), 1U);
  // Another message is another matter.
  deliver({"alice@example.org"}, "Received: by mx.test; now\r\n" + std::string(kMail));
  EXPECT_EQ(queue.committed().size(), 2U);
}

TEST_F(RedirectTest, WhatCannotBeAskedOrQueuedIsTriedAgain) {
  directory.broken = true;
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"451 4.2.0"});
  directory.broken = false;
  queue.is_down = true;
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"451 4.2.0"});
  ASSERT_EQ(queue.mails.size(), 1U);
  EXPECT_TRUE(queue.mails[0]->is_aborted);
  EXPECT_EQ(count("alice"), 0U);
  queue.is_down = false;
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(queue.committed().size(), 1U);
}

// RFC 5228 section 2.10.6, and RFC 6531: an address in UTF-8 says so in the envelope.
TEST_F(RedirectTest, WhatTheQueueWillNeverTakeStaysHere) {
  directory.recipients["j\xC3\xBCrgen@elsewhere.test"] =
      route::Expansion{.recipients = {"j\xC3\xBCrgen@elsewhere.test"}};
  rewrite("redirect \"j\xC3\xBCrgen@elsewhere.test\";\n");
  queue.is_down = true;
  queue.down_kind = ErrorKind::permanent;
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  ASSERT_EQ(queue.mails.size(), 1U);
  EXPECT_TRUE(queue.mails[0]->is_aborted && queue.mails[0]->envelope.smtputf8);
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(RedirectTest, WhatMayNotBeSentOnStaysHere) {
  directory.recipients["back@example.org"] = route::Expansion{.recipients = {"Alice@example.org"}};
  for (const char* address : {"unknown@elsewhere.test", "back@example.org"}) {
    const std::size_t before = count("alice");
    rewrite(fmt::format("redirect \"{}\";\n", address));
    EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"}) << address;
    EXPECT_EQ(count("alice"), before + 1) << address;
  }
  EXPECT_EQ(queue.mails.size(), 0U);
}

TEST_F(RedirectTest, OfAListThatThisAccountIsInTheOthersGetIt) {
  directory.recipients["bob@elsewhere.test"] =
      route::Expansion{.recipients = {"alice@example.org", "carol@example.org"}};
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  ASSERT_EQ(queue.committed().size(), 1U);
  ASSERT_EQ(queue.committed()[0].envelope.recipients.size(), 1U);
  EXPECT_EQ(queue.committed()[0].envelope.recipients[0].address, "carol@example.org");
}

}  // namespace
}  // namespace posthorn::lda
