// Manual pages and completion from a command line of the test's own.
#include "tools/manual.h"

#include <gmock/gmock.h>

#include "base/events.h"
#include "base/metrics.h"
#include "tools/completion.h"
#include "tools/roff.h"

namespace posthorn::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Command program() {
  const Argument config{.names = {"-c", "--config"}, .about = "The file", .value = "TEXT"};
  const Argument bits{
      .names = {"--bits"}, .about = "Of a key", .value = "INT", .choices = {"2048", "4096"}};
  const Argument domain{
      .names = {"domain"}, .about = "Whose", .value = "TEXT", .is_required = true};
  const Command key{
      .name = "key", .about = "A new key; it's one", .options = {config, bits}, .places = {domain}};
  return {.name = "posthorn",
          .about = "Posthorn: a mail server",
          .options = {{.names = {"--version"}, .about = "Which it is"}},
          .commands = {{.name = "dkim", .about = "Keys", .commands = {key}},
                       {.name = "stop", .about = "End it", .options = {config}}}};
}

constexpr ExitCode kCodes[] = {{"0", "done"}, {"78", "not with `posthorn.toml`"}};

std::vector<Page> pages() {
  return make_manual({.program = program(),
                      .exit_codes = kCodes,
                      .defaults = "# All of it.\n\n# Bounds.\n[limits]\n# In all. 1 to 9.\n"
                                  "most = 7\n\n# The tables.\n[maps]\n# Ours.\ndomains = []\n",
                      .tables = {{"maps/aliases", "# The key\n.first 'line\n"}},
                      .version = "1.2",
                      .date = std::chrono::sys_days(std::chrono::days(0))});
}

std::string page(std::string_view name, int section) {
  for (const Page& one : pages())
    if (one.name == name && one.section == section) return one.text;
  return "no such page";
}

TEST(Roff, LetsEveryCharacterStandForItself) {
  EXPECT_EQ(roff_code(".x"), "\\&.x");
  EXPECT_EQ(roff_code("'x"), "\\&\\(aqx");
  EXPECT_EQ(roff_code("a\\b ~^`"), "a\\(rsb \\(ti\\(ha\\(ga");
  EXPECT_EQ(roff_code("\xC3\xBC\xE2\x80\xA6"), "\\[u00FC]...");
  EXPECT_EQ(roff_text("well-known: --json"), "well-known: \\-\\-json");
  EXPECT_EQ(roff_text("say `posthorn-x`, it's"), "say \\fBposthorn\\-x\\fR, it's");
  EXPECT_EQ(roff_text("one ` alone"), "one \\(ga alone");
  EXPECT_EQ(roff_lines("a\n.b"), ".nf\na\n\\&.b\n.fi\n");
}

TEST(Manual, HasAPageACommandAndTheLists) {
  std::vector<std::string> names;
  for (const Page& one : pages()) names.push_back(one.name + "." + std::to_string(one.section));
  EXPECT_THAT(names, ::testing::ElementsAre("posthorn.1", "posthorn-dkim.1", "posthorn-stop.1",
                                            "posthorn.toml.5", "posthorn-tables.5",
                                            "posthorn-events.7", "posthorn-metrics.7"));
}

TEST(Manual, SaysWhatTheCommandLineSays) {
  EXPECT_THAT(page("posthorn", 1), HasSubstr(".SH NAME\nposthorn \\- a mail server\n"));
  const std::string text = page("posthorn-dkim", 1);
  EXPECT_THAT(text, HasSubstr(".TH \"POSTHORN\\-DKIM\" 1 \"1970-01-01\" \"Posthorn 1.2\""));
  EXPECT_THAT(text, HasSubstr("\\fBposthorn dkim key\\fR\n[\\fB\\-\\-config\\fR \\fITEXT\\fR]\n"
                              "[\\fB\\-\\-bits\\fR \\fI2048|4096\\fR]\n\\fIdomain\\fR\n"));
  EXPECT_THAT(text, HasSubstr(".SS \"posthorn dkim key\"\nA new key; it's one\n"));
  EXPECT_THAT(text, HasSubstr("\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fITEXT\\fR\nThe file\n"));
  EXPECT_THAT(text, HasSubstr("Of a key (2048, 4096)\n"));
  EXPECT_THAT(text, HasSubstr("\\fB78\\fR\nnot with \\fBposthorn.toml\\fR\n"));
}

TEST(Manual, HasEveryKeyWithItsSection) {
  const std::string all = page("posthorn.toml", 5);
  EXPECT_THAT(all, HasSubstr(".SH DESCRIPTION\nAll of it.\n.SS \"[limits]\"\nBounds.\n"
                             ".TP\n\\fBmost = 7\\fR\nIn all. 1 to 9.\n.SS \"[maps]\"\n"));
  const std::string tables = page("posthorn-tables", 5);
  EXPECT_THAT(
      tables,
      HasSubstr(
          ".SH DESCRIPTION\n.SS \"[maps]\"\nThe tables.\n.TP\n\\fBdomains = []\\fR\nOurs.\n"));
  EXPECT_THAT(tables, Not(HasSubstr("most")));
  EXPECT_THAT(tables, HasSubstr(".SS \"maps/aliases\"\n.nf\n# The key\n\\&.first \\(aqline\n.fi"));
}

TEST(Manual, HasEveryEventAndMetric) {
  const std::string events = page("posthorn-events", 7);
  for (const log::Event& event : event::all())
    EXPECT_THAT(events, HasSubstr(roff_code(event.name) + "\\fR\n" + roff_text(event.meaning)));
  const std::string metrics = page("posthorn-metrics", 7);
  for (const metrics::Metric& metric : metrics::kMetrics)
    EXPECT_THAT(metrics, HasSubstr(roff_code(metric.name) + "\\fR (\\fI"));
  EXPECT_THAT(metrics, HasSubstr("posthorn_sessions\\fR (\\fIcounter\\fR)"));
}

TEST(Completion, KnowsEveryPlace) {
  const std::string bash = complete_bash(program());
  EXPECT_THAT(bash, HasSubstr("'') words='dkim stop' options='--version' ;;"));
  EXPECT_THAT(bash, HasSubstr("'dkim key') words='' options='-c --config --bits' ;;"));
  EXPECT_THAT(bash,
              HasSubstr("'dkim key --bits') mapfile -t COMPREPLY < <(compgen -W '2048 4096'"));
  EXPECT_THAT(complete_zsh(program()), HasSubstr("names=('key:A new key; it'\\''s one')"));
  EXPECT_THAT(
      complete_fish(program()),
      HasSubstr("complete -c posthorn -n '__posthorn_at dkim key' -l bits -x -a '2048 4096'"));
}

}  // namespace
}  // namespace posthorn::tools
