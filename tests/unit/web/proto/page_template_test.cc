#include "web/proto/page_template.h"

#include <gtest/gtest.h>

namespace posthorn::web {
namespace {

std::string_view find_file(std::string_view name) {
  return name == "style.css" ? "a > b {}\n/* {{not_a_place}} */\n" : "";
}

std::string fill(std::string_view text, const Fields& fields) {
  const auto filled = fill_template(text, fields, find_file);
  return filled ? *filled : "fault: " + filled.error().what;
}

TEST(PageTemplate, PutsValuesInEscaped) {
  EXPECT_EQ(
      fill("<p title=\"{{a}}\">{{b}}{{a}}</p>", {.values = {{"a", "\"<&>'"}, {"b", "{{a}}"}}}),
      "<p title=\"&quot;&lt;&amp;&gt;&#39;\">{{a}}&quot;&lt;&amp;&gt;&#39;</p>");
  EXPECT_EQ(fill("", {}), "");
  EXPECT_EQ(fill("{ } }} {", {}), "{ } }} {");
}

TEST(PageTemplate, RepeatsABlockForEachRow) {
  const Fields fields{
      .values = {{"host", "mx"}},
      .blocks = {{"rows", {{.values = {{"port", "1"}}}, {.values = {{"port", "2"}}}}}}};
  EXPECT_EQ(fill("{{#rows}}{{host}}:{{port}} {{/rows}}{{^rows}}none{{/rows}}.", fields),
            "mx:1 mx:2 .");
  const Fields none{.values = {{"host", "mx"}}, .blocks = {{"rows", {}}}};
  EXPECT_EQ(fill("{{#rows}}{{host}}:{{port}} {{/rows}}{{^rows}}none{{/rows}}.", none), "none.");
}

TEST(PageTemplate, ARowHidesWhatIsAroundIt) {
  const Fields fields{.values = {{"a", "outer"}},
                      .blocks = {{"one",
                                  {{.values = {{"a", "inner"}}, .blocks = {{"two", Rows(2)}}},
                                   {.values = {}, .blocks = {{"two", Rows(1)}}}}}}};
  EXPECT_EQ(fill("{{a}} {{#one}}{{#two}}{{a}},{{/two}};{{/one}}", fields),
            "outer inner,inner,;outer,;");
}

TEST(PageTemplate, AMarkAloneOnItsLineLeavesNothing) {
  const Fields fields{.values = {}, .blocks = {{"rows", Rows(2)}}};
  EXPECT_EQ(fill("a\n  {{#rows}}\n  b\n  {{/rows}}\nc\n", fields), "a\n  b\n  b\nc\n");
  EXPECT_EQ(fill("{{#rows}}\n{{/rows}}\n", fields), "");
  EXPECT_EQ(fill("a {{#rows}}\nb{{/rows}}\n", fields), "a \nb\nb\n");
  EXPECT_EQ(fill("{{a}}\n", {.values = {{"a", "x"}}}), "x\n");  // a value's line stays
}

TEST(PageTemplate, AFileStandsAsItIs) {
  EXPECT_EQ(fill("<style>\n{{>style.css}}\n</style>", {}),
            "<style>\na > b {}\n/* {{not_a_place}} */\n</style>");
  EXPECT_EQ(fill("{{>other.css}}", {}), "fault: there is no file other.css");
}

TEST(PageTemplate, WhatDoesNotFitIsAFault) {
  const Fields a{.values = {{"a", "1"}}};
  const Fields rows{.values = {}, .blocks = {{"rows", Rows(1)}}};
  const Fields full_rows{.values = {}, .blocks = {{"rows", {a}}}};
  EXPECT_EQ(fill("{{b}}", {}), "fault: b has no value");
  EXPECT_EQ(fill("", a), "fault: value a has no place");
  EXPECT_EQ(fill("", rows), "fault: block rows has no place");
  EXPECT_EQ(fill("{{#rows}}{{/rows}}", {}), "fault: rows has no rows");
  EXPECT_EQ(fill("{{#rows}}{{a}}{{/rows}}", rows), "fault: a has no value");
  EXPECT_EQ(fill("{{#rows}}{{/rows}}", full_rows), "fault: value a has no place");
  // One place within is enough, also where its block has no rows now.
  EXPECT_EQ(fill("{{#rows}}{{a}}{{/rows}}", {.values = {{"a", "1"}}, .blocks = {{"rows", {}}}}),
            "");
}

TEST(PageTemplate, AMarkThatDoesNotEndIsAFault) {
  const Fields rows{.values = {}, .blocks = {{"rows", Rows(1)}, {"b", Rows(1)}}};
  for (const char* bad :
       {"{{", "{{a", "{{}}", "{{a}", "{{#rows}}", "{{/rows}}", "{{/}}", "{{#rows}}{{/b}}",
        "{{#rows}}{{#b}}{{/rows}}{{/b}}", "{{#rows}}{{#b}}{{/b}}"})
    EXPECT_TRUE(fill(bad, rows).starts_with("fault: ")) << bad;
}

}  // namespace
}  // namespace posthorn::web
