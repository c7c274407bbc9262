// Any bytes as spamd's answer: either a temporary Error, or fields of the wanted names only, that
// can be put on top of any message without touching its header; and rules that can be printed, whose
// text, where it has room for all, gives them back.
#include "filter/verdict.h"
#include "message/headers.h"
#include "tests/support/fuzz.h"

namespace {
constexpr std::string_view kNameChars =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  const std::string_view answer = test::text_of(data, size);
  const auto verdict = filter::parse_spamd_answer(answer, {"X-Spam-", ""});
  if (!verdict) {
    test::require(verdict.error().kind == ErrorKind::temporary);
    return 0;
  }
  test::require(answer.starts_with("SPAMD/"));
  test::require(verdict->headers.size() <= (64U << 10U) + 1000);
  test::require(verdict->score.find_first_of("\r\n\x1B") == std::string::npos);
  test::require(verdict->score.size() <= 990);
  test::require(verdict->rules.size() <= filter::kRulesMax);
  for (const filter::Rule& rule : verdict->rules) {
    test::require(!rule.name.empty() && rule.name.size() <= filter::kRuleNameMax);
    test::require(rule.points.empty() || filter::is_points(rule.points));
    test::require(rule.name.find_first_not_of(kNameChars) == std::string::npos);
  }
  const std::string rules = filter::to_text(verdict->rules);
  test::require(rules.size() <= filter::kRulesTextMax);
  const filter::RulesText again = filter::parse_text(rules);
  test::require(again.rules.size() + again.left_out == verdict->rules.size());
  test::require(again.left_out > 0 || filter::to_text(again.rules) == rules);
  std::string_view lines = verdict->headers;
  while (!lines.empty()) {
    std::string_view line = test::take_line(lines);
    test::require(line.ends_with('\r') && line.size() <= 998);
    line.remove_suffix(1);
    test::require(std::ranges::none_of(
        line, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7F; }));
  }
  // A message with the fields on top has them and its own, and its body where it was.
  const std::string message = verdict->headers + "Subject: hello\r\n\r\nbody\r\n";
  const auto end = message::find_header_end(message, message::Input::whole);
  test::require(std::string_view(message).substr(end->body_begin) == "body\r\n");
  const message::Headers headers(std::string_view(message).substr(0, end->header_size));
  test::require(headers.find("Subject") == "hello");
  for (const message::Field& field : headers.fields())
    test::require(&field == &headers.fields().back() ||
                  message::equals_ignoring_case(field.name.substr(0, 7), "X-Spam-"));
  return 0;
}
