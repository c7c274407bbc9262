#include "base/metrics.h"

#include <gtest/gtest.h>
#include <regex>
#include <set>

namespace posthorn::metrics {
namespace {

// What this test alone added, whatever others of the program counted.
Snapshot since(const Snapshot& before) {
  Snapshot now = read();
  for (std::size_t i = 0; i < kCells; ++i) now[i] -= before[i];
  return now;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, CountsAppearUnderTheirLabels) {
  const Snapshot before = read();
  count(Id::sessions, "smtp");
  count(Id::sessions, "smtp");
  count(Id::authentications, "imap", "refused");
  const std::string text = write_text(since(before), "1.2");
  EXPECT_TRUE(has_line(text, "posthorn_sessions_total{protocol=\"smtp\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "posthorn_sessions_total{protocol=\"imap\"} 0"));
  EXPECT_TRUE(
      has_line(text, "posthorn_authentications_total{service=\"imap\",result=\"refused\"} 1"));
  EXPECT_TRUE(has_line(text, "posthorn_build_info{version=\"1.2\"} 1"));
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
}

TEST(Metrics, AValueThatIsNotListedCountsAsOther) {
  const Snapshot before = read();
  count(Id::sessions, "a stranger's \"text\"");
  const std::string text = write_text(since(before), "");
  EXPECT_TRUE(has_line(text, "posthorn_sessions_total{protocol=\"other\"} 1"));
  EXPECT_EQ(text.find("stranger"), std::string::npos);
}

TEST(Metrics, AHistogramIsCumulative) {
  const Snapshot before = read();
  observe(Id::filter_seconds, 10ms);  // at a bound: in its bucket
  observe(Id::filter_seconds, 11ms);
  observe(Id::filter_seconds, 3'000'000ms);
  const std::string text = write_text(since(before), "");
  EXPECT_TRUE(has_line(text, "posthorn_filter_seconds_bucket{le=\"0.01\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "posthorn_filter_seconds_bucket{le=\"0.05\"} 2"));
  EXPECT_TRUE(has_line(text, "posthorn_filter_seconds_bucket{le=\"1.0\"} 2"));
  EXPECT_TRUE(has_line(text, "posthorn_filter_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_TRUE(has_line(text, "posthorn_filter_seconds_count 3"));
  EXPECT_TRUE(has_line(text, "posthorn_filter_seconds_sum 3000.021"));
}

TEST(Metrics, OpenCountsWhileItLives) {
  const Snapshot before = read();
  {
    const Open open(Id::sessions_open, "imap");
    EXPECT_TRUE(
        has_line(write_text(since(before), ""), "posthorn_sessions_open{protocol=\"imap\"} 1"));
  }
  EXPECT_EQ(since(before), Snapshot{});
}

TEST(Metrics, TheWayBetweenRolesKeepsEveryNumber) {
  Snapshot snapshot{};
  for (std::size_t i = 0; i < kCells; ++i) snapshot[i] = static_cast<std::int64_t>(i * 7) - 3;
  const auto back = parse_line(to_line(snapshot));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, snapshot);
}

TEST(Metrics, OneOfThemIsFoundByItsLabels) {
  const Snapshot before = read();
  count(Id::lessons, "learned", "spam", 3);
  count(Id::lessons, "learned", "ham");
  count(Id::lessons, "no such result", "spam", 5);
  const Snapshot counted = since(before);
  EXPECT_EQ(find(counted, Id::lessons, "learned", "spam"), 3);
  EXPECT_EQ(find(counted, Id::lessons, "learned", "ham"), 1);
  EXPECT_EQ(find(counted, Id::lessons, "other", "spam"), 5);
  EXPECT_EQ(find(counted, Id::lessons, "dropped", "spam"), 0);
}

TEST(Metrics, AnotherVersionsLineIsRefused) {
  const std::string line = to_line(Snapshot{});
  for (const std::string& bad :
       {std::string(), line + " 0", line.substr(2), line + " ", "x" + line, " " + line})
    EXPECT_FALSE(parse_line(bad)) << bad;
}

TEST(Metrics, ProcessesAddUpAndDeadOnesLeaveTheirCounts) {
  const Snapshot zero = read();
  count(Id::sessions, "smtp", "", 5);
  set(Id::tables_generation, 4);
  set(Id::queue_messages, 2, "held");
  Snapshot one = read();
  Snapshot both = one;
  merge(both, one);
  Snapshot empty{};
  merge(empty, one);
  EXPECT_EQ(empty, one);
  EXPECT_TRUE(has_line(write_text(both, ""), "posthorn_tables_generation 4"));
  EXPECT_TRUE(has_line(write_text(both, ""), "posthorn_queue_messages{state=\"held\"} 4"));
  keep_counters(one);
  EXPECT_TRUE(has_line(write_text(one, ""), "posthorn_queue_messages{state=\"held\"} 0"));
  EXPECT_FALSE(has_line(write_text(one, ""), "posthorn_sessions_total{protocol=\"smtp\"} 0"));
  count(Id::sessions, "smtp", "", -5);
  set(Id::tables_generation, 0);
  set(Id::queue_messages, 0, "held");
  EXPECT_EQ(read(), zero);
}

TEST(Metrics, LabelsAreEscaped) {
  EXPECT_EQ(escape_label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

TEST(Metrics, TheListIsSound) {
  static const std::regex name("posthorn_[a-z0-9_]+");
  static const std::regex label("[a-z_]*");
  std::set<std::string_view> seen;
  for (const Metric& metric : kMetrics) {
    EXPECT_TRUE(seen.insert(metric.name).second) << metric.name;
    EXPECT_TRUE(std::regex_match(std::string(metric.name), name)) << metric.name;
    EXPECT_TRUE(metric.about.ends_with(".")) << metric.name;
    EXPECT_FALSE(metric.name.ends_with("_total") || metric.name.ends_with("_count")) << metric.name;
    for (const Label& l : {metric.first, metric.second}) {
      EXPECT_TRUE(std::regex_match(std::string(l.name), label));
      EXPECT_EQ(l.name.empty(), l.values.size() == 1);
    }
    // A metric of two labels has a first one.
    EXPECT_FALSE(metric.first.name.empty() && !metric.second.name.empty()) << metric.name;
  }
}

}  // namespace
}  // namespace posthorn::metrics
