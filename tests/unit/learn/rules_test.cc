// Which of a user's doings teach the spam filter, and what.
#include "learn/rules.h"

#include <gtest/gtest.h>

namespace posthorn::learn {
namespace {

using message::MailClass;

std::string taught(const imap::Happening& happening) {
  std::string out;
  for (const Teaching& teaching : find_teachings(happening, {{"Junk"}, {"Trash"}})) {
    out += out.empty() ? "" : " ";
    out += message::to_string(teaching.what);
    for (const store::Uid uid : teaching.uids) out += " " + std::to_string(uid);
  }
  return out;
}

std::string moved(std::string from, std::string to) {
  return taught({.cause = imap::Cause::copy,
                 .mailbox = std::move(to),
                 .from = std::move(from),
                 .uids = {1, 2}});
}

TEST(Moved, IntoAndOutOfTheFolderForSpam) {
  struct Row {
    std::string from, to, taught;
  };
  const Row rows[] = {
      {"INBOX", "Junk", "spam 1 2"},
      {"INBOX", "Junk.2026", "spam 1 2"},
      {"Archive", "Junk", "spam 1 2"},
      {"Trash", "Junk", "spam 1 2"},
      {"Trash.Old", "Junk.Old", "spam 1 2"},
      {"Junk", "INBOX", "ham 1 2"},
      {"Junk.2026", "Work.Lists", "ham 1 2"},
      {"Junk", "Trash", ""},
      {"Junk.2026", "Trash.Old", ""},
      {"Junk", "Junk.2026", ""},
      {"Junk.2026", "Junk", ""},
      {"INBOX", "Trash", ""},
      {"Trash", "INBOX", ""},
      {"INBOX", "Junkyard", ""},
      {"Work.Junk", "INBOX", ""},
      {"junk", "INBOX", ""},
  };
  for (const Row& row : rows) EXPECT_EQ(moved(row.from, row.to), row.taught) << row.from << row.to;
}

TEST(Moved, ByTheSitesNamesAndTheUsers) {
  const Folders folders{{"Spam", "Unerwünscht"}, {""}};
  const auto move = [&](std::string from, std::string to) {
    return find_teachings({.cause = imap::Cause::copy,
                           .mailbox = std::move(to),
                           .from = std::move(from),
                           .uids = {3}},
                          folders);
  };
  for (const char* junk : {"Spam", "Unerwünscht", "Unerwünscht.2026"}) {
    ASSERT_EQ(move("Junk", junk).size(), 1U);
    EXPECT_EQ(move("Junk", junk)[0].what, MailClass::spam);
    ASSERT_EQ(move(junk, "Trash").size(), 1U);
    EXPECT_EQ(move(junk, "Trash")[0].what, MailClass::ham);
  }
  EXPECT_TRUE(move("Spam", "Unerwünscht").empty());
}

TEST(Appended, IntoTheFolderForSpamAlone) {
  EXPECT_EQ(taught({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {7}}), "spam 7");
  EXPECT_EQ(taught({.cause = imap::Cause::append, .mailbox = "Junk.Old", .uids = {7}}), "spam 7");
  EXPECT_EQ(taught({.cause = imap::Cause::append, .mailbox = "INBOX", .uids = {7}}), "");
  EXPECT_EQ(taught({.cause = imap::Cause::append, .mailbox = "Junk", .uids = {}}), "");
}

class Marked : public ::testing::Test {
 protected:
  // Numbers are places in names.
  std::string marked(
      std::initializer_list<
          std::pair<std::vector<store::KeywordNumber>, std::vector<store::KeywordNumber>>>
          changes) {
    store::KeywordNames table;
    for (std::size_t i = 0; i < names.size(); ++i) table.set(i, names[i]);
    imap::Happening happening{
        .cause = imap::Cause::flag,
        .mailbox = "INBOX",
        .keywords = std::make_shared<const store::KeywordNames>(std::move(table))};
    store::Uid uid = 0;
    for (const auto& [before, after] : changes)
      happening.changes.push_back({.uid = ++uid,
                                   .keywords = store::Keywords::of(after),
                                   .is_changed = true,
                                   .keywords_before = store::Keywords::of(before)});
    return taught(happening);
  }
  const std::vector<std::string> names = {"$Junk", "$NotJunk", "NonJunk",
                                          "JUNK",  "notjunk",  "$Forwarded"};
};

TEST_F(Marked, ByEachClientsWords) {
  EXPECT_EQ(marked({{{}, {0}}}), "spam 1");
  EXPECT_EQ(marked({{{}, {3}}}), "spam 1");
  EXPECT_EQ(marked({{{}, {1}}}), "ham 1");
  EXPECT_EQ(marked({{{}, {2}}}), "ham 1");
  EXPECT_EQ(marked({{{}, {4}}}), "ham 1");
  EXPECT_EQ(marked({{{}, {5}}}), "");
  EXPECT_EQ(marked({{{0}, {1}}, {{}, {0}}, {{2}, {2, 5}}, {{5}, {2, 5}}}), "spam 2 ham 1 4");
}

TEST_F(Marked, NotByWhatGoesOrSaysBoth) {
  EXPECT_EQ(marked({{{0}, {}}}), "");
  EXPECT_EQ(marked({{{1, 2}, {}}}), "");
  EXPECT_EQ(marked({{{}, {0, 1}}}), "");
  EXPECT_EQ(marked({{{}, {}}}), "");
}

}  // namespace
}  // namespace posthorn::learn
