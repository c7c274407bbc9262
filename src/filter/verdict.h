// Verdict: what spamd said of a mail, as values: whether it is spam, its score, the rules that hit,
// and the fields to put on top of the mail. Or that it was not asked, and why. Reading an answer is
// pure, so that it can be tested and fuzzed; whatever is cut or strange is an Error, never ham.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "filter/rules.h"

namespace posthorn::filter {

// Why spamd has not judged a mail.
enum class Unscanned {
  size,         // larger than filter.message_max
  unavailable,  // it did not answer, and filter.when_down says to deliver
  off,          // filter.spamd names none
  user,         // a user of ours sent it (filter.scan_submissions)
  program,      // a program of this machine sent it (filter.scan_submissions)
  notice,       // the server's own
  sent_on       // a Sieve script sends on what was scanned when it came
};
inline constexpr std::pair<Unscanned, std::string_view> kUnscanned[] = {
    {Unscanned::size, "size"},       {Unscanned::unavailable, "unavailable"},
    {Unscanned::off, "off"},         {Unscanned::user, "user"},
    {Unscanned::program, "program"}, {Unscanned::notice, "notice"},
    {Unscanned::sent_on, "sent-on"}};
constexpr std::string_view to_string(Unscanned why) {
  for (const auto& [value, name] : kUnscanned)
    if (value == why) return name;
  return "off";
}

struct Verdict {
  bool is_spam = false;
  std::string score, required;  // "15.3", "5.0"
  std::vector<Rule> rules;      // as spamd orders them
  std::string headers;          // CRLF lines to put on top; may be empty
  std::optional<Unscanned> unscanned;
};

// "False ; 4.7 / 5.0", the value of the Spam field.
Verdict parse_verdict(std::string_view said);
// The answer to HEADERS; prefixes: which of its fields are taken.
Result<Verdict> parse_spamd_answer(std::string_view answer,
                                   const std::vector<std::string>& prefixes);

}  // namespace posthorn::filter
