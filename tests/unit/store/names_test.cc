// Names of mailboxes, of files, and the small files that Dovecot keeps.
#include "harness.h"
#include "store/dovecot_files.h"
#include "store/file_name.h"
#include "store/mailbox_name.h"
#include "store/uidlist.h"

namespace posthorn::store {
namespace {

TEST(MailboxName, WhatMayBeOneAndWhatNot) {
  const std::pair<std::string, const char*> rows[] = {
      {"INBOX", "INBOX"},
      {"inbox", "INBOX"},
      {"InBoX", "INBOX"},
      {"inbox.x", "INBOX.x"},
      {"Work", "Work"},
      {"Work.2026", "Work.2026"},
      {"Entwürfe", "Entwürfe"},
      {"a&b", "a&b"},
      {"with space", "with space"},
      {"日本語", "日本語"},
      {"😀", "😀"},
      {"%*", "%*"},
      {"back\\slash", "back\\slash"},
      {"a%2fb", "a%2fb"},
      {"dovecot", "dovecot"},
      {"dovecot.sieves", "dovecot.sieves"},
      {"Dovecot.sieve", "Dovecot.sieve"},
      {"dovecot.sieve", nullptr},  // the link to the active script
      {"dovecot.sieve.x", nullptr},
      {"", nullptr},
      {".", nullptr},
      {"..", nullptr},
      {".x", nullptr},
      {"x.", nullptr},
      {"a..b", nullptr},
      {"../x", nullptr},
      {"a/b", nullptr},
      {"/etc/passwd", nullptr},
      {"~root", nullptr},
      {"INBOX/..", nullptr},
      {"cr\rlf", nullptr},
      {"lf\n", nullptr},
      {std::string("nul\0x", 5), nullptr},
      {"esc\x1b", nullptr},
      {"del\x7f", nullptr},
      {"\xc2\x9b", nullptr},  // a C1 control
      {"\xff", nullptr},
      {"\xc0\xaf", nullptr},      // an overlong '/'
      {"\xed\xa0\x80", nullptr},  // a surrogate
      {"half\xc3", nullptr},
      {std::string(254, 'x'), "same"},
      {std::string(255, 'x'), nullptr},
      {std::string(96, '\xc3'), nullptr},
  };
  for (const auto& [name, expected] : rows) {
    const auto checked = check_mailbox_name(name);
    ASSERT_EQ(checked.has_value(), expected != nullptr) << testing::PrintToString(name);
    if (!checked) continue;
    EXPECT_EQ(*checked, std::string_view(expected) == "same" ? name : expected);
    if (*checked == "INBOX") continue;
    const std::string folder = folder_of(*checked);
    EXPECT_EQ(folder.find('/'), std::string::npos);
    EXPECT_TRUE(folder.starts_with('.') && !folder.starts_with("..")) << folder;
    EXPECT_EQ(name_of_folder(folder), checked) << folder;
  }
  std::string deep = "a";
  for (std::size_t i = 1; i < kDepthMax; ++i) deep += ".a";
  EXPECT_TRUE(check_mailbox_name(deep));
  EXPECT_FALSE(check_mailbox_name(deep + ".a"));
}

TEST(MailboxName, FoldersThatAreNoMailboxes) {
  for (const char* folder :
       {".", "..", "", "cur", "..x", ".a..b", ".INBOX", ".inbox", ".&", "..posthorn-removed-00",
        ".dovecot.sieve", "sieve", ".Entw\xc3\xbcrfe"})
    EXPECT_FALSE(name_of_folder(folder)) << folder;
  EXPECT_EQ(name_of_folder(".Work.2026"), "Work.2026");
  EXPECT_TRUE(is_below("Work.2026", "Work"));
  EXPECT_FALSE(is_below("Workshop", "Work"));
  EXPECT_FALSE(is_below("Work", "Work"));
  EXPECT_EQ(parent_of("a.b.c"), "a.b");
  EXPECT_EQ(parent_of("a"), "");
}

TEST(FileName, BaseAndLetters) {
  const auto plain = parse_file_name("1.M2P3Q4.host,S=10,W=11");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->has_info);
  const auto flagged = parse_file_name("1.M2P3Q4.host,S=10,W=11:2,DFPRSTabz");
  ASSERT_TRUE(flagged);
  EXPECT_EQ(flagged->base, "1.M2P3Q4.host,S=10,W=11");
  const Letters letters = parse_info(flagged->info);
  EXPECT_EQ(letters.flags, flag::all_imap | flag::passed);
  EXPECT_EQ(letters.keywords, 1U | 2U | (1U << 25U));
  EXPECT_EQ(format_info(letters), "DFPRSTabz");
  // Letters of nobody we know stay.
  EXPECT_EQ(format_info({flag::seen, 0}, "XFZ"), "SXZ");
  EXPECT_EQ(parse_info("ZZZ\x80").flags, 0);
  for (const char* bad : {"", ".hidden", "a\nb", "esc\x1b", ":2,S", "a\x7f"})
    EXPECT_FALSE(parse_file_name(bad)) << bad;
  EXPECT_TRUE(parse_file_name("\xff\xfe odd but harmless"));
  EXPECT_EQ(parse_file_name("x:1,foo")->base, "x:1,foo");
  EXPECT_EQ(parse_file_name("x:2,S:2,F")->base, "x");
  EXPECT_EQ(size_in_name("1.h,S=123,W=130", 'S'), 123U);
  EXPECT_EQ(size_in_name("1.h,S=123,W=130", 'W'), 130U);
  EXPECT_FALSE(size_in_name("1.h,S=12x", 'S'));
  EXPECT_FALSE(size_in_name("1.h,S=99999999999999999999", 'S'));
  EXPECT_FALSE(size_in_name("1.h", 'S'));
}

TEST(FileName, UniqueNamesAreUnique) {
  UniqueNames one("mx/evil:host,S=1");
  UniqueNames two("mx/evil:host,S=1");
  const WallTime now{};
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    names.insert(one.make(now));
    names.insert(two.make(now));
  }
  EXPECT_EQ(names.size(), 200U);
  for (const std::string& name : names) {
    EXPECT_TRUE(parse_file_name(name));
    EXPECT_EQ(name.find_first_of("/:,"), std::string::npos);
  }
}

TEST(UidList, ReadsWhatDovecotWrites) {
  const auto list = parse_uidlist(
      "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
      "25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394\n"
      "25017 W2481 :1276533073.M242911P3632.kurkku:2,F\n"
      "25021 W1 S2 :x\n");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->uidvalidity, 1275660208U);
  EXPECT_EQ(list->leased, 25022U);
  EXPECT_EQ(list->next, 25022U);
  EXPECT_EQ(list->guid, "3085f01b7f11094c501100008c4a11c1");
  ASSERT_EQ(list->lines.size(), 3U);
  EXPECT_EQ(list->lines[0].base, "1276528487.M364837P9451.kurkku,S=1355,W=1394");
  EXPECT_EQ(list->lines[1].base, "1276533073.M242911P3632.kurkku");
  EXPECT_FALSE(list->is_torn);
  EXPECT_FALSE(list->is_ours);
  const auto old = parse_uidlist("1 1100532544 7\n3 a.b\n6 c.d:2,S\n");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->uidvalidity, 1100532544U);
  ASSERT_EQ(old->lines.size(), 2U);
  EXPECT_EQ(old->lines[1].base, "c.d");
}

TEST(UidList, OursCanBeRenewedInPlace) {
  std::string text = format_uidlist_header(123, 456, "abcd", 7);
  append_uidlist_line(17, "x.y", text);
  auto list = parse_uidlist(text);
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->is_ours);
  EXPECT_EQ(list->leased, 456U);
  const std::string header = format_uidlist_header(123, 4'000'000'000U, "abcd", 1ULL << 62U);
  text.replace(0, header.size(), header);
  list = parse_uidlist(text);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->leased, 4'000'000'000U);
  ASSERT_EQ(list->lines.size(), 1U);
  EXPECT_EQ(list->lines[0].uid, 17U);
}

TEST(UidList, DamageEndsItAndNeverLowersNext) {
  const std::string whole = "3 V9 N8 Gx\n3 :a\n5 :b\n7 :c\n";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    const auto list = parse_uidlist(part);
    if (!list) {
      EXPECT_LT(size, whole.find('\n') + 1);
      continue;
    }
    EXPECT_EQ(list->next, 8U);
    EXPECT_EQ(list->is_torn, part.back() != '\n');
  }
  const std::pair<const char*, std::size_t> rows[] = {
      {"3 V9 N8\n3 :a\n3 :b\n", 1},
      {"3 V9 N8\n3 :a\n2 :b\n", 1},
      {"3 V9 N8\nx :a\n", 0},
      {"3 V9 N8\n0 :a\n", 0},
      {"3 V9 N8\n3 a\n", 0},
      {"3 V9 N8\n3 :\n4 :b\n", 0},
      {"3 V9 N8\n3 :../a\n", 0},
      {"3 V9 N8\n4294967295 :a\n", 0},
      {"3 V9 N8\n4294967296 :a\n", 0},
      {"3 V9 N8\n\n", 0},
      {"3 V9 N8\n1 :a\n\0\0\0\0\n", 1},
  };
  for (const auto& [text, lines] : rows) {
    const auto list = parse_uidlist(text);
    ASSERT_TRUE(list) << text;
    EXPECT_EQ(list->lines.size(), lines) << text;
  }
  for (const char* bad : {"", "\n", "3\n", "3 V9\n", "3 N9\n", "3 V0 N1\n", "3 V9 N0\n",
                          "2 V9 N8\n", "3 V9 N8", "3 Vx N8\n", "3 V99999999999 N1\n", "1 5\n"})
    EXPECT_FALSE(parse_uidlist(bad)) << bad;
}

TEST(DovecotFiles, Keywords) {
  const auto names = parse_keywords(
      "0 $Forwarded\n2 NonJunk\nx bad\n26 Beyond\n1\n3 two words\n99999999999999 a\n");
  ASSERT_EQ(names.size(), 3U);
  EXPECT_EQ(names[0], "$Forwarded");
  EXPECT_EQ(names[1], "");
  EXPECT_EQ(names[2], "NonJunk");
  EXPECT_EQ(format_keywords(names), "0 $Forwarded\n2 NonJunk\n");
  for (const char* bad : {"", "a b", "a(b", "\\Seen", "a\"", "x]", "\x80", "a*"})
    EXPECT_FALSE(is_keyword(bad)) << bad;
  EXPECT_FALSE(is_keyword(std::string(kKeywordLengthMax + 1, 'x')));
}

TEST(DovecotFiles, SubscriptionsInBothForms) {
  const auto one = parse_subscriptions("Sent\nEntw&APw-rfe\nWork.2026\n../x\nSent\n\nbad/one\n");
  EXPECT_EQ(one.names, (std::vector<std::string>{"Sent", "Entwürfe", "Work.2026"}));
  EXPECT_EQ(format_subscriptions(one), "Sent\nEntw&APw-rfe\nWork.2026\n");
  const auto two = parse_subscriptions("V\t2\n\nSent\nWork\t2026\n");
  EXPECT_EQ(two.names, (std::vector<std::string>{"Sent", "Work.2026"}));
  EXPECT_EQ(format_subscriptions(two), "V\t2\n\nSent\nWork\t2026\n");
}

TEST(DovecotFiles, UidValidity) {
  EXPECT_EQ(parse_uidvalidity("4c0914b3\n"), 0x4c0914b3U);
  EXPECT_EQ(format_uidvalidity(0x4c0914b3U), "4c0914b3");
  for (const char* bad : {"", "4c09", "xxxxxxxx", "4c0914b3f"})
    EXPECT_FALSE(parse_uidvalidity(bad)) << bad;
}

}  // namespace
}  // namespace posthorn::store
