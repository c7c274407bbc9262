// Proves that what a role tells of the page arrives as it was told, and that nothing else does: not
// what is another role's to tell, not more than a page holds, and no fault by what is not understood.
#include <gtest/gtest.h>

#include "health/page.h"

namespace posthorn::health {
namespace {

TEST(Facts, EveryFieldArrivesAsItWasTold) {
  Facts facts;
  add(facts, Certificate{.name = "certificate.mx.test",
                         .file = "tls/mx.test/fullchain.pem",
                         .names = {"mx.test", "::1"},
                         .issuer = "An Authority",
                         .ends = WallTime(1'795'900'000'000ms),
                         .state = "warning",
                         .fingerprint = "ab12",
                         .on_disk = "other",
                         .remedy = "posthorn certificate renew",
                         .shown_on = {}});
  add(facts, Certificate{.name = "second", .file = "b"});
  Page page;
  take({.role = "edge", .services = {"smtp"}}, facts, page);
  ASSERT_EQ(page.certificates.size(), 2U);
  const Certificate& one = page.certificates[0];
  EXPECT_EQ(one.name, "certificate.mx.test");
  EXPECT_EQ(one.file, "tls/mx.test/fullchain.pem");
  EXPECT_EQ(one.names, (std::vector<std::string>{"mx.test", "::1"}));
  EXPECT_EQ(one.issuer, "An Authority");
  EXPECT_EQ(one.ends, WallTime(1'795'900'000'000ms));
  EXPECT_EQ(one.state, "warning");
  EXPECT_EQ(one.fingerprint, "ab12");
  EXPECT_EQ(one.on_disk, "other");
  EXPECT_EQ(one.remedy, "posthorn certificate renew");
  EXPECT_EQ(one.shown_on, std::vector<std::string>{"smtp"});
  EXPECT_EQ(page.certificates[1].issuer, "");  // nothing of the one before
}

TEST(Facts, ARoleIsBelievedInWhatIsItsOwnAlone) {
  Facts facts;
  add(facts, Queue{.messages = 5, .oldest_id = "01"});
  add(facts, Disk{.name = "spool", .free = 1});
  add(facts, Tables{.generation = 9});
  Page page;
  take({.role = "edge", .services = {}}, facts, page);
  EXPECT_EQ(page.queue.messages, 0U);
  EXPECT_TRUE(page.disks.empty());
  EXPECT_EQ(page.tables.generation, 0U);
  take({.role = "queue", .services = {}}, facts, page);
  EXPECT_EQ(page.queue.messages, 5U);
  EXPECT_EQ(page.disks.size(), 1U);
  EXPECT_EQ(page.tables.generation, 0U);
  take({.role = "lookup", .services = {}}, facts, page);
  EXPECT_EQ(page.tables.generation, 9U);
  EXPECT_EQ(page.queue.messages, 5U);  // and it takes nothing away
}

TEST(Facts, NoNumberOfPartsIsTooMany) {
  Facts facts;
  for (int i = 0; i < 2000; ++i) add(facts, Mark{.name = std::to_string(i), .record = "MX"});
  Page page;
  take({.role = "queue", .services = {}}, facts, page);
  take({.role = "queue", .services = {}}, facts, page);
  EXPECT_EQ(page.marks.size(), 500U);
  EXPECT_EQ(page.marks[0].name, "0");
}

TEST(Facts, WhatIsNotUnderstoodIsPassedOver) {
  Page page;
  take({.role = "queue", .services = {}},
       {{"disk.free", "77"},  // of no disk
        {"queue", "5"},
        {"", ""},
        {".", "."},
        {"queue.messages", "-3"},
        {"queue.colour", "blue"},
        {"disk.name", "spool"},
        {"disk.free", "many"}},
       page);
  EXPECT_EQ(page.queue.messages, 0U);
  ASSERT_EQ(page.disks.size(), 1U);
  EXPECT_EQ(page.disks[0].free, 0U);
}

TEST(Facts, WhatSeveralWorkersShowAlikeStandsThereOnce) {
  Facts facts;
  add(facts, Certificate{.name = "certificate", .file = "a", .fingerprint = "1"});
  Page page;
  take({.role = "edge", .services = {"smtp", "imap"}}, facts, page);
  take({.role = "edge", .services = {"smtp", "imap"}}, facts, page);
  take({.role = "web", .services = {"https"}}, facts, page);
  ASSERT_EQ(page.certificates.size(), 1U);
  EXPECT_EQ(page.certificates[0].shown_on, (std::vector<std::string>{"smtp", "imap", "https"}));
  Facts other;
  add(other, Certificate{.name = "certificate", .file = "a", .fingerprint = "2"});
  take({.role = "edge", .services = {"smtp"}}, other, page);  // a worker that lags behind
  EXPECT_EQ(page.certificates.size(), 2U);
}

}  // namespace
}  // namespace posthorn::health
