// redirect-dsn and redirect-deliverby (RFC 6009).
#include <gtest/gtest.h>

#include "sieve/extensions/rfc3339.h"
#include "tests/unit/sieve/world_for_tests.h"

namespace posthorn::sieve {
namespace {

constexpr const char* kMail = "From: alice@example.org\r\nSubject: x\r\n\r\nHello\r\n";
constexpr const char* kRequire =
    "require [\"redirect-dsn\", \"redirect-deliverby\", \"variables\"];";

Redirect redirected(const std::string& tags) {
  WorldForTests world;
  const Mail mail{.header = kMail};
  const Settings settings;
  const CompileResult compiled =
      compile(kRequire + ("redirect " + tags) + " \"b@example.org\";", {});
  EXPECT_TRUE(compiled.program) << tags << (compiled.faults.empty() ? "" : compiled.faults[0].text);
  if (!compiled.program) return {};
  const std::vector<ProgramPtr> programs = {compiled.program};
  const auto now = *parse_rfc3339("2030-01-01T00:00:00Z");
  return std::get<Redirect>(run_programs(programs, {mail, world, settings, now}).actions[0].what);
}

TEST(RedirectDsnTest, WhatTheEnvelopeAsksFor) {
  EXPECT_EQ(redirected("").notify, "");
  EXPECT_EQ(redirected(":notify \"never\"").notify, "NEVER");
  EXPECT_EQ(redirected(":notify \"success,Failure\"").notify, "SUCCESS,FAILURE");
  EXPECT_EQ(redirected(":ret \"hdrs\" :notify \"DELAY\"").ret, "HDRS");
  EXPECT_FALSE(redirected("").deliver_by);
  EXPECT_EQ(redirected(":bytimerelative 600").deliver_by, 600);
  EXPECT_EQ(redirected(":bytimeabsolute \"2030-01-01T00:10:00Z\"").deliver_by, 600);
  EXPECT_EQ(redirected(":bytimeabsolute \"2030-01-01T01:00:00+01:00\"").deliver_by, 0);
  EXPECT_EQ(redirected(":bytimerelative 4G").deliver_by, 999'999'999);
  EXPECT_EQ(redirected(":bytimerelative 1 :bymode \"return\" :bytrace").deliver_by_mode, "RT");
  EXPECT_EQ(redirected(":bytimerelative 1 :bytrace :bymode \"notify\"").deliver_by_mode, "NT");
}

TEST(RedirectDsnTest, FaultsAreTold) {
  const std::pair<std::string_view, std::string_view> kRows[] = {
      {":notify \"NEVER,DELAY\"", "`:notify` of `redirect` cannot be \"NEVER,DELAY\""},
      {":notify \"\"", "`:notify` of `redirect` cannot be \"\""},
      {":ret \"all\"", "`:ret` of `redirect` cannot be \"all\""},
      {":bymode \"notify\"",
       "`:bymode` and `:bytrace` need `:bytimerelative` or `:bytimeabsolute`"},
      {":bytimerelative 1 :bymode \"x\"", "`:bymode` of `redirect` cannot be \"x\""},
      {":bytimerelative 1 :bytimeabsolute \"2030-01-01T00:00:00Z\"",
       "`:bytimerelative` and `:bytimeabsolute` exclude each other"},
      {":bytimeabsolute \"tomorrow\"",
       "`:bytimeabsolute` needs a time such as \"2030-01-02T03:04:05Z\", found \"tomorrow\""},
  };
  for (const auto& [tags, fault] : kRows) {
    const CompileResult result =
        compile(kRequire + ("redirect " + std::string(tags)) + " \"b@example.org\";", {});
    ASSERT_FALSE(result.faults.empty()) << tags;
    EXPECT_EQ(result.faults[0].text, fault) << tags;
  }
}

TEST(Rfc3339Test, TimesAndWhatIsNone) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:10Z")->time_since_epoch(), std::chrono::seconds(10));
  EXPECT_EQ(parse_rfc3339("1970-01-01t02:00:10.250+02:00")->time_since_epoch(),
            std::chrono::seconds(10));
  for (const std::string_view text :
       {"", "1970-01-01", "1970-13-01T00:00:00Z", "1970-02-30T00:00:00Z", "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:00", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00+2:00",
        "1970-01-01T00:00:00Zx"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace posthorn::sieve
