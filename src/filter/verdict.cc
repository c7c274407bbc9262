#include "filter/verdict.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "filter/spamd.h"
#include "message/headers.h"

namespace posthorn::filter {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::size_t kHeadersMax = 64U << 10U;

// What goes into a message: fields that say nothing of their charset are ASCII.
std::string clean_field(std::string_view text) {
  std::string out = clean(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return out;
}

// A line that is no field would end the header of the message that it is put on top of.
bool is_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  return colon > 0 && colon < 200 &&
         std::ranges::all_of(line.substr(0, colon), [](char c) { return c > 0x20 && c < 0x7F; });
}

// The fields of the names that were asked for, with their continuation lines.
std::string take_fields(std::string_view block, const std::vector<std::string>& prefixes) {
  std::string fields;
  bool taking = false;
  while (!block.empty() && fields.size() < kHeadersMax) {
    const std::string_view line = take_line(block);
    if (line.empty()) break;
    const bool continues = line.front() == ' ' || line.front() == '\t';
    if (!continues) {
      taking = false;
      for (const std::string& prefix : prefixes)
        taking |= !prefix.empty() && to_lower(line).starts_with(to_lower(prefix)) && is_field(line);
    }
    if (taking) fields += clean_field(line) + "\r\n";
  }
  return fields;
}

// spamd drops the X-Spam fields that the mail came with, so the first of a name is its own.
std::vector<Rule> take_rules(std::string_view block) {
  const auto end = message::find_header_end(block, message::Input::whole);
  const message::Headers fields(block.substr(0, end ? end->header_size : block.size()));
  std::vector<Rule> rules;
  if (const message::Field* const status = fields.find_field("X-Spam-Status"))
    rules = parse_tests(status->value);
  if (const message::Field* const report = fields.find_field("X-Spam-Report"))
    add_points(rules, report->value);
  return rules;
}

}  // namespace

Verdict parse_verdict(std::string_view said) {
  Verdict verdict;
  const std::string word = to_lower(said.substr(0, said.find_first_of(" ;")));
  verdict.is_spam = word == "true" || word == "yes";
  const std::size_t semicolon = std::min(said.find(';'), said.size());
  std::string_view numbers = said.substr(std::min(semicolon + 1, said.size()));
  const std::size_t slash = std::min(numbers.find('/'), numbers.size());
  verdict.score = clean_field(trim(numbers.substr(0, slash), kBlanks));
  verdict.required =
      clean_field(trim(numbers.substr(std::min(slash + 1, numbers.size())), kBlanks));
  return verdict;
}

Result<Verdict> parse_spamd_answer(std::string_view answer,
                                   const std::vector<std::string>& prefixes) {
  const auto wrong = [](std::string_view why) {
    return fail(ErrorKind::temporary, fmt::format("spamd: {}", why));
  };
  TRY(const SpamdAnswer parsed, parse_answer(answer));
  if (parsed.code != 0) return wrong(fmt::format("it says \"{}\"", parsed.said));
  const std::string* const said = parsed.find("spam");
  // Ham is what it says, not what it does not say.
  if (said == nullptr) return wrong("the answer has no verdict");
  Verdict verdict = parse_verdict(*said);
  verdict.rules = take_rules(parsed.body);
  verdict.headers = take_fields(parsed.body, prefixes);
  return verdict;
}

}  // namespace posthorn::filter
