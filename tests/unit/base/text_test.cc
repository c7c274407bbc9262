// Text as every parser and every log line asks about it: ASCII in any case, numbers, valid UTF-8.
#include <gtest/gtest.h>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn {
namespace {

TEST(Ascii, LettersOnly) {
  EXPECT_EQ(to_lower("ÄBC-9@Z["), "Äbc-9@z[");
  EXPECT_EQ(to_upper("äbc`{z"), "äBC`{Z");
  EXPECT_TRUE(equals_ignoring_case("StartTLS", "STARTtls"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
  EXPECT_EQ(trim(" \t a b\t"), "a b");
  EXPECT_EQ(trim(" \t"), "");
}

TEST(Ascii, ANumberIsTheWholeText) {
  EXPECT_EQ(to_number<std::uint16_t>("65535"), 65535);
  for (const char* wrong : {"", "65536", "-1", "+1", " 1", "1 ", "1x", "0x1"})
    EXPECT_FALSE(to_number<std::uint16_t>(wrong)) << wrong;
  EXPECT_EQ(to_number<std::uint32_t>("00ff", 16), 255U);
}

TEST(Utf8, ValidByRfc3629) {
  for (const char* text : {"a", "ü", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    std::string_view rest = text;
    std::string again;
    append_code_point(again, take_code_point(rest).value());
    EXPECT_EQ(again, text);
    EXPECT_TRUE(rest.empty());
  }
  for (const char* wrong : {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80",
                            "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80"})
    EXPECT_FALSE(is_utf8(wrong)) << wrong;
  EXPECT_TRUE(is_c1_control("\xC2\x9B"));
  EXPECT_FALSE(is_c1_control("\xC2\xA0"));
}

}  // namespace
}  // namespace posthorn
