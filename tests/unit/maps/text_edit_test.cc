// Proves that an edited text table says what was asked for and keeps every other byte.
#include "maps/text_edit.h"

#include <gtest/gtest.h>

#include "maps/table.h"

namespace posthorn::maps {
namespace {

std::string edit(std::string_view text, const std::vector<TextChange>& changes) {
  const auto edited = edit_text(text, changes);
  return edited ? *edited : "ERROR";
}

TEST(TextEdit, Rows) {
  const struct {
    const char* text;
    TextChange change;
    const char* wanted;
  } rows[] = {
      {"", {"a@x", "1"}, "a@x 1\n"},
      {"# c\n", {"a@x", "1"}, "# c\na@x 1\n"},
      {"b 2", {"a", "1"}, "b 2\na 1\n"},
      {"a 0\nb 2\n", {"a", "1"}, "a 1\nb 2\n"},
      {"A\t0\nb 2\n", {"a", "1"}, "a 1\nb 2\n"},
      {"a 0,\n  1,\n  2\nb 2\n", {"a", "1"}, "a 1\nb 2\n"},
      {"a 0,\n# in between\n  1\nb 2\n", {"a", std::nullopt}, "# in between\nb 2\n"},
      {"b 2\na 0\n", {"a", std::nullopt}, "b 2\n"},
      {"b 2\na 0\nc 1\n  2\n", {"a", std::nullopt}, "b 2\nc 1\n  2\n"},
      {"a 0\nb 1\na 5\n", {"a", "1"}, "a 1\nb 1\n"},
      {"a 0\nb 1\na 5\n", {"a", std::nullopt}, "b 1\n"},
      {"aa 1\n", {"a", std::nullopt}, "aa 1\n"},
      {"# a 1\n", {"a", std::nullopt}, "# a 1\n"},
      {"a\n", {"a", "1"}, "a 1\n"},
      {"  a 0\nb 2\n", {"a", "1"}, "a 1\nb 2\n"},
      {"\xEF\xBB\xBF"
       "a 0\n",
       {"a", "1"},
       "\xEF\xBB\xBF"
       "a 1\n"},
      {"a 0\n\xEF\xBB\xBF"
       "b 1\n",
       {"a", std::nullopt},
       "\xEF\xBB\xBF\xEF\xBB\xBF"
       "b 1\n"},
      {"a 0\r\nb 1\r\n", {"b", "2"}, "a 0\r\nb 2\n"},
      // A domain in UTF-8 and its A-label are one key, whichever stands there.
      {"info@m\xC3\xBCller.test 0\n",
       {"info@xn--mller-kva.test", "1"},
       "info@xn--mller-kva.test 1\n"},
      {"info@xn--mller-kva.test 0\n",
       {"INFO@m\xC3\xBCller.test", "1"},
       "info@m\xC3\xBCller.test 1\n"},
      {"info@xn--mller-kva.test 0\n", {"info@m\xC3\xBCller.test", std::nullopt}, ""},
      {"xn--mller-kva.test 0\n", {"m\xC3\xBCller.test", std::nullopt}, ""},
      {"@m\xC3\xBCller.test 0\n", {"@xn--mller-kva.test", std::nullopt}, ""},
      // What would make UTF-16 of the file, and what is.
      {"", {"\xFF\xFE", "1"}, "ERROR"},
      {"", {"a", "\xFF"}, "ERROR"},
      {"\xFF\xFE 1\n", {"a", "1"}, "ERROR"},
      {"a 0\n\xFF\xFE 1\n", {"a", std::nullopt}, "\n\xFF\xFE 1\n"},
      {"", {"a b", "1"}, "ERROR"},
      {"", {"#a", "1"}, "ERROR"},
      {"", {"", "1"}, "ERROR"},
      {"", {"a", ""}, "ERROR"},
      {"", {"a", "1\nb 2"}, "ERROR"},
      {"", {"a", " 1"}, "ERROR"},
  };
  for (const auto& row : rows) EXPECT_EQ(edit(row.text, {row.change}), row.wanted) << row.text;
}

// What was set is what is read, whatever stood there.
TEST(TextEdit, ReadBack) {
  const std::string pieces[] = {"a 0\n", "  1\n", "# c\n", "\n", "A 5\n", "b 2\n", "\ta 3\n"};
  for (std::size_t n = 0; n < 7 * 7 * 7 * 7; ++n) {
    std::string text;
    for (std::size_t i = 0, rest = n; i < 4; ++i, rest /= 7) text += pieces[rest % 7];
    const auto before = parse_text(text, "t");
    for (const bool set : {true, false}) {
      const auto value = set ? std::optional<std::string>("new") : std::nullopt;
      const auto after = parse_text(edit(text, {{"a", value}}), "t");
      std::vector<std::string> others, kept;
      std::optional<std::string> found;
      for (const Entry& entry : before.entries)
        if (entry.key != "a") others.push_back(entry.key + entry.value);
      for (const Entry& entry : after.entries)
        if (entry.key == "a")
          found = entry.value;
        else
          kept.push_back(entry.key + entry.value);
      EXPECT_EQ(found, value) << text;
      EXPECT_EQ(kept, others) << text;
    }
  }
}

}  // namespace
}  // namespace posthorn::maps
