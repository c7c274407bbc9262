// Proves that text in the charsets of real mail becomes the UTF-8 that its writer saw, whatever the
// bytes; that a hostile charset name reaches no converter; and that texts a reader takes for the
// same fold to the same bytes. Rows of bytes were made with other programs' encoders.
#include "message/charset.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "message/part.h"

namespace posthorn::message {
namespace {

using namespace std::string_literals;

struct Row {
  std::string charset, bytes, text;
};

TEST(Charset, WhatMailIsWrittenIn) {
  const std::vector<Row> rows = {
      {"utf-8",
       "Gr\xc3\xbc\xc3\x9f"
       "e",
       "Grüße"},
      {"UTF8", "\xe2\x82\xac", "€"},
      {"us-ascii", "plain", "plain"},
      {"us-ascii", "\xc3\xa9", "é"},  // what programs send that never look
      {"iso-8859-1", "caf\xe9", "café"},
      {"Latin1", "\x93quoted\x94", "“quoted”"},  // Windows text under the wrong name
      {"windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2\x2c\x20\xec\xe8\xf0", "Привет, мир"},
      {"cp1251", "\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"},
      {"koi8-r", "\xf0\xd2\xc9\xd7\xc5\xd4\x2c\x20\xcd\xc9\xd2", "Привет, мир"},
      {"KOI8-U", "\xeb\xc9\xa7\xd7", "Київ"},
      {"iso-8859-5", "\xbf\xe0\xd8\xd2\xd5\xe2", "Привет"},
      {"gb2312", "\xc4\xe3\xba\xc3\xa3\xac\xca\xc0\xbd\xe7", "你好，世界"},
      {"gb2312", "\xf3\x77", "體"},  // GBK under the smaller name
      {"GBK", "\xf3\x77", "體"},
      {"gb18030", "\xc4\xe3\xba\xc3\xa2\xe3", "你好€"},
      {"big5", "\xa7\x41\xa6\x6e\xa1\x41\xa5\x40\xac\xc9", "你好，世界"},
      {"shift_jis", "\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd\x81\x41\xc3\xbd\xc4",
       "こんにちは、ﾃｽﾄ"},
      {"iso-2022-jp",
       "\x1b\x24\x42\x24\x33\x24\x73\x24\x4b\x24\x41\x24\x4f\x40\x24\x33\x26\x1b\x28\x42",
       "こんにちは世界"},
      {"euc-jp", "\xc6\xfc\xcb\xdc\xb8\xec", "日本語"},
      {"euc-kr", "\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4", "안녕하세요"},
      {"ks_c_5601-1987", "\x8c\x63\xb9\xe6", "똠방"},
      {"iso-8859-2", "\xae\x6c\x75\xbb\x6f\x75\xe8\x6b\xfd\x20\x6b\xf9\xf2", "Žluťoučký kůň"},
      {"windows-1250", "\xa3\xf3\x64\x9f\x20\x84\x78\x94", "Łódź „x”"},
      {"iso-8859-7", "\xca\xe1\xeb\xe7\xec\xdd\xf1\xe1", "Καλημέρα"},
      {"iso-8859-15", "\x31\x30\x20\xa4", "10 €"},
      {"windows-1255", "\xf9\xec\xe5\xed", "שלום"},
      {"windows-1256", "\xe3\xd1\xcd\xc8\xc7", "مرحبا"},
      {"tis-620", "\xca\xc7\xd1\xca\xb4\xd5", "สวัสดี"},
      {"utf-16le", "\x47\x00\x72\x00\xfc\x00\xdf\x00\x65\x00"s, "Grüße"},
      {"utf-16", "\xff\xfe\x61\x00\xe9\x00"s, "aé"},
      {"macintosh", "\x63\x61\x66\x8e", "café"},
      {"hz-gb-2312", "\x7e\x7b\x44\x63\x3a\x43\x7e\x7d", "你好"},
      {"windows-1252", "\x93\x71\x75\x6f\x74\x65\x64\x94\x20\x96\x20\x80\x35", "“quoted” – €5"},
      {"utf-8*en", "\xc3\xa9", "é"},  // RFC 2231 section 5
  };
  for (const Row& row : rows) {
    EXPECT_EQ(to_utf8(row.bytes, row.charset), row.text) << row.charset;
    EXPECT_TRUE(is_charset(row.charset)) << row.charset;
  }
}

TEST(Charset, NamesThatAreNone) {
  const std::vector<std::string> names = {"",
                                          "x-unknown",
                                          "default_charset",
                                          "utf-7",
                                          "UTF7",
                                          "unicode-1-1-utf-7",
                                          "imap-mailbox-name",
                                          "IMAP-mailbox-name,version=1",
                                          "utf-8,version=1",
                                          "../../etc/passwd",
                                          "/etc/passwd",
                                          "scsu",
                                          "bocu-1",
                                          "cesu-8",
                                          "es",
                                          "lmbcs-1",
                                          "LMBCS-8",
                                          "utf-8\r\nX: y",
                                          "utf 8",
                                          "utf-8\0x"s,
                                          "%s%n",
                                          "*en",
                                          std::string(kCharsetNameMax + 1, 'u'),
                                          std::string(1U << 20U, 'u')};
  for (const std::string& name : names) {
    EXPECT_EQ(to_utf8("text", name), std::nullopt) << name.substr(0, 80);
    EXPECT_FALSE(is_charset(name)) << name.substr(0, 80);
  }
}

// True for well-formed UTF-8 (RFC 3629), counted by hand so that the test does not ask ICU.
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t size = c < 0x80   ? 1
                             : c < 0xC2 ? 0
                             : c < 0xE0 ? 2
                             : c < 0xF0 ? 3
                             : c < 0xF5 ? 4
                                        : 0;
    if (size == 0 || i + size > text.size()) return false;
    for (std::size_t j = 1; j < size; ++j)
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0U) != 0x80) return false;
    i += size;
  }
  return true;
}

TEST(Charset, NoBytesBreakIt) {
  // Every charset over bytes of every value, cut at every place of a small window.
  const std::vector<std::string> charsets = {
      "utf-8",  "us-ascii", "iso-8859-1", "windows-1251", "koi8-r",      "gb2312",     "big5",
      "euc-jp", "euc-kr",   "shift_jis",  "iso-2022-jp",  "iso-2022-kr", "hz-gb-2312", "utf-16"};
  std::string bytes;
  unsigned state = 7;
  for (int i = 0; i < 4096; ++i) {
    state = state * 1'103'515'245U + 12'345U;
    bytes += static_cast<char>(state >> 16U);
  }
  for (const std::string& charset : charsets)
    for (std::size_t cut = 0; cut < 64; ++cut) {
      const auto text =
          to_utf8(std::string_view(bytes).substr(cut, bytes.size() - cut * 3), charset);
      ASSERT_TRUE(text) << charset;
      EXPECT_TRUE(is_utf8(*text)) << charset << " cut at " << cut;
      EXPECT_LE(text->size(), bytes.size() * 4) << charset;
    }
  EXPECT_EQ(to_utf8("a\xff"
                    "b",
                    "utf-8"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(to_utf8("a\xc3", "utf-8"), "a\xef\xbf\xbd");
  // A converter that was left in the middle of an escape begins anew.
  EXPECT_TRUE(to_utf8("\x1b$B$3", "iso-2022-jp"));
  EXPECT_EQ(to_utf8("abc", "iso-2022-jp"), "abc");
}

TEST(Charset, SizeIsBounded) {
  const std::string large(kConvertMax + 1, 'a');
  EXPECT_EQ(to_utf8(large, "utf-8"), std::nullopt);
  std::string cyrillic;
  for (int i = 0; i < 500'000; ++i) cyrillic += '\xcf';
  const auto text = to_utf8(cyrillic, "windows-1251");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->size(), 1'000'000U);
  EXPECT_TRUE(text->ends_with("ПП"));
}

TEST(Charset, ThreadsDoNotShareConverters) {
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&wrong] {
      for (int i = 0; i < 2'000; ++i) {
        if (to_utf8("\x1b$B$3$s\x1b(B", "iso-2022-jp") != "こん") ++wrong;
        if (to_utf8("\xcf", i % 2 == 0 ? "windows-1251" : "koi8-r") != (i % 2 == 0 ? "П" : "о"))
          ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(FoldForSearch, SameForTheReaderSameBytes) {
  const std::vector<std::pair<std::string, std::string>> same = {
      {"Hello", "hELLO"},
      {"STRASSE", "straße"},
      {"Ärger", "ÄRGER"},
      {"caf\u00e9", "cafe\u0301"},
      {"ΣΊΣΥΦΟΣ", "σίσυφος"},
      {"ＡＢＣ１", "abc1"},
      {"ﬁnance", "Finance"},
      {"ﾃｽﾄ", "テスト"},
      {"so\u00adft", "soft"},
      {"a\u200db", "ab"},
      {"\u212b", "å"},
      {"ПРИВЕТ", "привет"},
      {"ǆ", "ǅ"},
      {"x\u0323\u0307", "x\u0307\u0323"}};
  for (const auto& [a, b] : same)
    EXPECT_EQ(fold_for_search(a), fold_for_search(b)) << a << " " << b;
  EXPECT_NE(fold_for_search("cafe"), fold_for_search("café"));
  // A word without its accent finds the one with it; another letter does not.
  EXPECT_NE(fold_for_search("Un CAFÉ noir").find(fold_for_search("cafe")), std::string::npos);
  EXPECT_EQ(fold_for_search("Un CAFÉ noir").find(fold_for_search("caf\u00e8")), std::string::npos);
  EXPECT_EQ(fold_for_search(""), "");
  EXPECT_EQ(fold_for_search("A\0B"s), "a\0b"s);
}

TEST(FoldForSearch, InvalidAndLarge) {
  EXPECT_EQ(fold_for_search("a\xff"
                            "B"),
            "a\xef\xbf\xbd"
            "b");
  // Longer than one piece, with its letters across every piece's end.
  std::string text, folded;
  for (int i = 0; i < 300'000; ++i) {
    text += i % 7 == 0 ? "É" : "Жa ";
    folded += i % 7 == 0 ? "e\u0301" : "жa ";
  }
  EXPECT_EQ(fold_for_search(text), folded);
  std::string solid, solid_folded;
  for (int i = 0; i < 900'000; ++i) {
    solid += "Ж";
    solid_folded += "ж";
  }
  EXPECT_EQ(fold_for_search(solid), solid_folded);
  const std::string tails(3U << 20U, '\x80');  // no character begins anywhere
  EXPECT_EQ(fold_for_search(tails).size(), tails.size() * 3);
  std::string marks = "a";  // one letter under a million accents
  for (int i = 0; i < 200'000; ++i) marks += "\u0301";
  EXPECT_EQ(fold_for_search(marks).size(), marks.size());
}

TEST(DecodeWords, Rows) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"plain", "plain"},
      {"", ""},
      {"=?utf-8?Q?caf=C3=A9_au_lait?=", "café au lait"},
      {"=?UTF-8?b?Y2Fmw6k=?=", "café"},
      {"=?iso-8859-1?q?caf=E9?= noir", "café noir"},
      {"=?koi8-r?B?8NLJ18XU?=", "Привет"},
      {"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"},
      {"=?gb2312?B?xOO6ww==?=", "你好"},
      {"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"},
      {"=?utf-8?Q?a?=\r\n =?utf-8?Q?b?=", "ab"},
      {"=?utf-8?Q?a?= x =?utf-8?Q?b?=", "a x b"},
      {"=?utf-8?Q?a?=  ", "a  "},
      {"=?utf-8?Q?a?= =?koi8-r?B?8A==?=", "aП"},
      // A character cut in two by its writer.
      {"=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "café"},
      {"=?utf-8?B?Y2Fmww==?=\r\n\t=?utf-8?B?qQ==?=", "café"},
      {"=?utf-8*fr?Q?caf=C3=A9?=", "café"},
      {"=?utf-8?Q?really?"
       "?=",
       "really?"},
      {"=?utf-8?Q?"
       "?=",
       ""},
      // What is no encoded word stays, and does not hide the one behind it.
      {"=?", "=?"},
      {"=?utf-8", "=?utf-8"},
      {"=?utf-8?Q", "=?utf-8?Q"},
      {"=?utf-8?Q?", "=?utf-8?Q?"},
      {"=?utf-8?Q?a", "=?utf-8?Q?a"},
      {"=?utf-8?X?a?=", "=?utf-8?X?a?="},
      {"a =? b =?utf-8?Q?c?=", "a =? b c"},
      {"=?utf-8?X?a?= =?utf-8?Q?c?=", "=?utf-8?X?a?= c"},
      {"=?x-unknown?Q?a?= =?utf-8?Q?c?=", "=?x-unknown?Q?a?= c"},
      {"=?utf-8?Q?c?= =?x-unknown?Q?a?=", "c =?x-unknown?Q?a?="},
      {"=?utf-7?Q?+ADw-script+AD4-?=", "=?utf-7?Q?+ADw-script+AD4-?="},
      {"=?utf-8?Q?=FF=FE?=", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"=?utf-8?B?!!!!?=", ""},
  };
  for (const auto& [raw, text] : rows) EXPECT_EQ(decode_words(raw), text) << raw;
}

TEST(DecodeWords, HostileTextCostsOnePass) {
  for (const std::string piece :
       {"=?", "=?a?Q?b ", "=?utf-8?Q?a?= ", "=?=?=?", "?=", "=?utf-8?B?", "=?utf-8?Q?a?=  "}) {
    std::string text;
    while (text.size() < (1U << 18U)) text += piece;
    EXPECT_LE(decode_words(text).size(), text.size()) << piece;
  }
}

}  // namespace
}  // namespace posthorn::message
