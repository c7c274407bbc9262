// Proves that each recipient of a message has an outcome of its own: filed where Sieve or the +tag
// says, refused, or to be tried again; and that nothing is stored before commit.
#include "lda/sink.h"

#include "tests/unit/lda/harness.h"

namespace posthorn::lda {
namespace {

using Replies = std::vector<std::string>;

struct SinkTest : DeliveryTest {};

TEST_F(SinkTest, EachRecipientGetsACopyWithItsOwnTraceFields) {
  start();
  EXPECT_EQ(deliver({"alice@example.org", "bob@example.org"}), Replies(2, "250 2.0.0"));
  EXPECT_EQ(messages("alice"),
            Replies{"|Return-Path: <friend@elsewhere.test>\nDelivered-To: alice@example.org\n"
                    "From: friend@elsewhere.test\nSubject: hello\n\nbody\n"});
  EXPECT_EQ(messages("bob"),
            Replies{"|Return-Path: <friend@elsewhere.test>\nDelivered-To: bob@example.org\n"
                    "From: friend@elsewhere.test\nSubject: hello\n\nbody\n"});
}

TEST_F(SinkTest, NothingIsStoredBeforeCommit) {
  start();
  for (const bool ends_well : {false, true}) {
    const auto sink = factory->make();
    ASSERT_TRUE(loop.run(sink->begin(envelope_to({"alice@example.org"}))));
    ASSERT_TRUE(loop.run(sink->write(std::string(200'000, 'x') + "\r\n")));  // more than a buffer
    EXPECT_EQ(count("alice"), 0U);
    if (ends_well)
      EXPECT_TRUE(loop.run(sink->commit()));
    else
      loop.wait(sink->abort());
    EXPECT_EQ(count("alice"), ends_well ? 1U : 0U);
    EXPECT_EQ(test::names_in(place("alice") / "tmp"), Replies{});
  }
}

TEST_F(SinkTest, SieveFilesIntoAFolderThatItMakes) {
  script("default.sieve",
         "require [\"fileinto\", \"imap4flags\"];\n"
         "if header :contains \"subject\" \"hello\" { addflag \"\\\\Flagged\"; fileinto "
         "\"Work.2026\"; }\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 0U);
  const Replies filed = messages("alice", "Work.2026");
  ASSERT_EQ(filed.size(), 1U);
  EXPECT_TRUE(filed.front().starts_with("F|")) << filed.front();
}

TEST_F(SinkTest, AFolderThatCannotBeLeavesTheMailInInbox) {
  script("default.sieve", "require \"fileinto\"; fileinto \"a..b\";\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(SinkTest, SpamIsFiledAsTheSettingsSay) {
  script("default.sieve", "require \"fileinto\"; fileinto \"Junk\";\n");
  config.filter.spam_is_read = true;
  start();
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  ASSERT_EQ(count("alice", "Junk"), 1U);
  EXPECT_TRUE(messages("alice", "Junk").front().starts_with("S|"));
  config.filter.spam_to_junk = false;
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice", "Junk"), 1U);
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(SinkTest, ATagLeadsToItsFolderIfThereIsOne) {
  start();
  make_mailbox("alice@example.org", "Work");
  struct Row {
    const char* recipient;
    const char* mailbox;
  };
  for (const Row& row :
       {Row{"alice+Work@example.org", "Work"}, Row{"alice+work@example.org", "Work"},
        Row{"alice+play@example.org", "INBOX"}, Row{"alice@example.org", "INBOX"}}) {
    const std::size_t before = count("alice", row.mailbox);
    EXPECT_EQ(deliver({row.recipient}), Replies{"250 2.0.0"});
    EXPECT_EQ(count("alice", row.mailbox), before + 1) << row.recipient;
  }
  EXPECT_FALSE(std::filesystem::exists(place("alice", "play")));
  config.store.tag_to_folder = false;
  deliver({"alice+work@example.org"});
  EXPECT_EQ(count("alice", "Work"), 2U);
  EXPECT_EQ(count("alice"), 3U);
}

TEST_F(SinkTest, OneRecipientsRefusalLeavesTheOthers) {
  script("users/bob@example.org.sieve", "require \"reject\"; reject \"Not now,\nnot ever.\\u\";\n");
  script("users/dora@example.org.sieve", "discard;\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org", "bob@example.org", "carol@example.org"}),
            (Replies{"250 2.0.0", "550 5.7.1", "250 2.0.0"}));
  EXPECT_EQ(count("alice"), 1U);
  EXPECT_EQ(count("bob"), 0U);
  EXPECT_EQ(count("carol"), 1U);
  deliver({"bob@example.org"});
  EXPECT_TRUE(last_text.starts_with("Not now,\nnot ever.")) << last_text;
  EXPECT_EQ(deliver({"dora@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("dora"), 0U);
}

TEST_F(SinkTest, AUsersOwnScriptRunsInThePlaceOfTheDefault) {
  script("default.sieve", "discard;\n");
  start();
  std::filesystem::create_directories(place("alice") / "sieve");
  const auto put = [&](std::string_view text) {
    test::write_text(place("alice") / "sieve/mine.sieve", text);
  };
  std::filesystem::create_symlink("sieve/mine.sieve", place("alice") / ".dovecot.sieve");
  put("require \"fileinto\"; fileinto \"Mine\";\n");
  EXPECT_EQ(deliver({"alice@example.org", "bob@example.org"}), Replies(2, "250 2.0.0"));
  EXPECT_EQ(count("alice", "Mine"), 1U);
  EXPECT_EQ(count("bob"), 0U);
  // A fault leaves the one before in use.
  put("nonsense;\n");
  deliver({"alice@example.org"});
  EXPECT_EQ(count("alice", "Mine"), 2U);
  put("require \"fileinto\"; fileinto \"Others\";\n");
  deliver({"alice@example.org"});
  EXPECT_EQ(count("alice", "Others"), 1U);
}

TEST_F(SinkTest, WhatTheFilterCalledSpamIsRefusedToNobody) {
  script("default.sieve", "require \"reject\"; reject \"no\";\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"550 5.7.1"});
  EXPECT_EQ(deliver({"alice@example.org"}, "X-Spam-Flag: YES\r\n" + std::string(kMail)),
            Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 0U);
}

TEST_F(SinkTest, TheTextIsReadWhenAScriptAsksForIt) {
  script("default.sieve",
         "require [\"body\", \"fileinto\"];\n"
         "if body :raw :contains \"the end of it\" { fileinto \"Found\"; }\n");
  start();
  const std::string mail = std::string(kMail) + std::string(300'000, 'x') + "\r\nthe end of it\r\n";
  EXPECT_EQ(deliver({"alice@example.org"}, mail), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice", "Found"), 1U);
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(SinkTest, WhatAScriptChangesIsStoredAndSentOn) {
  directory.recipients["bob@elsewhere.test"] =
      route::Expansion{.recipients = {"bob@elsewhere.test"}};
  script("default.sieve",
         "require [\"editheader\", \"fileinto\", \"copy\"];\n"
         "fileinto :copy \"Plain\"; deleteheader \"Subject\"; addheader \"Subject\" \"new\";\n"
         "redirect :copy \"bob@elsewhere.test\";\n");
  start();
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  ASSERT_EQ(count("alice"), 1U);
  const std::string kept = messages("alice").front();
  EXPECT_NE(kept.find("Subject: new\n"), std::string::npos) << kept;
  EXPECT_EQ(kept.find("Subject: hello"), std::string::npos) << kept;
  EXPECT_NE(kept.find("Delivered-To: alice@example.org\n"), std::string::npos) << kept;
  EXPECT_NE(messages("alice", "Plain").front().find("Subject: hello\n"), std::string::npos);
  ASSERT_EQ(queue.committed().size(), 1U);
  const std::string sent = queue.committed().front().text;
  EXPECT_NE(sent.find("Subject: new\r\n"), std::string::npos) << sent;
  EXPECT_EQ(sent.find("Delivered-To:"), std::string::npos) << sent;
  EXPECT_TRUE(sent.ends_with("\r\n\r\nbody\r\n")) << sent;
}

TEST_F(SinkTest, AFaultOfTheStoreIsTemporaryForWhomItMeets) {
  start();
  // Where bob's maildir should be there is a file.
  std::filesystem::create_directories(config.paths.mail / "example.org");
  test::write_text(place("bob"), "");
  EXPECT_EQ(deliver({"bob@example.org", "alice@example.org"}), (Replies{"451 4.2.0", "250 2.0.0"}));
  EXPECT_EQ(count("alice"), 1U);
}

TEST_F(SinkTest, AMessageThatCannotBeWrittenIsNotAcknowledged) {
  start();
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  disk.arm({.fault = test::FaultDisk::Fault::for_good, .at = 1, .error = ENOSPC});
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"451 4.2.0"});
  disk.arm({});
  EXPECT_EQ(count("alice"), 1U);
  EXPECT_EQ(deliver({"alice@example.org"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 2U);
}

TEST_F(SinkTest, ANameThatCanBeNoMailboxIsRefusedForGood) {
  start();
  // Longer than a folder's name can be.
  const std::string long_name = std::string(300, 'x') + "@example.org";
  EXPECT_EQ(deliver({long_name, "alice@example.org"}), (Replies{"550 5.1.1", "250 2.0.0"}));
}

TEST_F(SinkTest, AFullMailboxIsRefusedAsTheSettingSays) {
  config.store.quota = 100;
  start();
  const std::string large = std::string(kMail) + std::string(500, 'x') + "\r\n";
  EXPECT_EQ(deliver({"alice@example.org"}, large), Replies{"552 5.2.2"});
  config.store.quota_full_tempfail = true;
  EXPECT_EQ(deliver({"alice@example.org"}, large), Replies{"452 4.2.2"});
  EXPECT_EQ(count("alice"), 0U);
}

TEST_F(SinkTest, ByLocalPartEveryNameHasItsOneHome) {
  config.route.by_local_part = true;
  config.server.default_domain = "example.org";
  start();
  EXPECT_EQ(deliver({"alice@other.test"}), Replies{"250 2.0.0"});
  EXPECT_EQ(count("alice"), 1U);
}

}  // namespace
}  // namespace posthorn::lda
