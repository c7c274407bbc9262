// spamtest, spamtestplus, virustest (RFC 5235): what a filter before this one wrote into the header
// of the message. It tests nothing itself.
#include <string>

#include "sieve/extensions/spam_value.h"
#include "sieve/extensions/table.h"
#include "sieve/language/matcher.h"

namespace posthorn::sieve::extension {
namespace {

constexpr double kRounding = 0.001;  // of decimal fractions: 0.29 is 29 percent

// "0" says that nobody looked; `:count` counts it as none.
bool holds(Run& run, const Call& call, std::optional<double> value) {
  Matcher matcher(run, call, 0);
  const bool is_count = call.matching().type->counts == MatchRow::Counts::yes;
  const std::string text = value ? std::to_string(static_cast<int>(*value + kRounding)) : "0";
  return ((!is_count || value) && matcher.value(text)) || matcher.finish();
}

// Section 2.1 and 2.2: 1 to 10, or a percentage.
bool holds_spam(Run& run, const Call& call) {
  auto share = spam_share(run, run.settings().spam, 10);
  if (share) *share = call.has("percent") ? *share * 100 : *share * 9 + 1;
  return holds(run, call, share);
}

// Section 3.1: 1 to 5.
bool holds_virus(Run& run, const Call& call) {
  auto share = spam_share(run, run.settings().virus, 5);
  if (share) *share = *share * 4 + 1;
  return holds(run, call, share);
}

TestRow row(std::string_view name, RunTest run) {
  return {.name = name,
          .arguments = {{"a value", Kind::string}},
          .run = run,
          .compares = Compares::yes};
}

}  // namespace

Extension spamtest() {
  return {.name = "spamtest", .standard = "RFC 5235", .tests = {row("spamtest", holds_spam)}};
}

Extension spamtestplus() {
  return {.name = "spamtestplus",
          .standard = "RFC 5235",
          .tags = {{.of = "spamtest", .name = "percent"}},
          .with = {"spamtest"}};
}

Extension virustest() {
  return {.name = "virustest", .standard = "RFC 5235", .tests = {row("virustest", holds_virus)}};
}

}  // namespace posthorn::sieve::extension
