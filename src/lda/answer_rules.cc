#include "lda/answer_rules.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/ascii.h"

namespace posthorn::lda {
namespace {

// The first word of a field's value, in lower case: "auto-replied" of "Auto-Replied (vacation)".
std::string first_word(std::string_view value) {
  value = trim(value);
  return to_lower(value.substr(0, value.find_first_of(" \t;,(")));
}

// RFC 5230 section 4.6, RFC 2142, and how list programs name those who take their bounces: an
// answer would go to a program, or to all of a list.
bool is_program(std::string_view sender) {
  const std::string local = to_lower(sender.substr(0, sender.rfind('@')));
  constexpr std::string_view kNames[] = {"mailer-daemon", "listserv", "majordomo", "mailer"};
  constexpr std::string_view kBegins[] = {"owner-", "bounce-", "bounces-", "bounce+", "bounces+"};
  constexpr std::string_view kEnds[] = {"-request", "-owner", "-bounce", "-bounces", "-relay"};
  return std::ranges::any_of(kNames, [&](auto name) { return local == name; }) ||
         std::ranges::any_of(kBegins, [&](auto begin) { return local.starts_with(begin); }) ||
         std::ranges::any_of(kEnds, [&](auto end) { return local.ends_with(end); }) ||
         local.find("-bounces+") != std::string::npos;
}

// Microsoft's [MS-OXCMAIL] 2.2.3.2.14: a list of what is not wanted. "DR", "RN", "NRN" speak of
// other answers.
bool suppresses_answers(const message::Headers& headers) {
  for (const std::string& value : headers.find_all("X-Auto-Response-Suppress")) {
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string word = first_word(rest.substr(0, comma));
      if (word == "all" || word == "oof" || word == "autoreply") return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

}  // namespace

bool is_auto_submitted(const message::Headers& headers) {
  return std::ranges::any_of(headers.find_all("Auto-Submitted"),
                             [](const std::string& value) { return first_word(value) != "no"; });
}

bool is_marked_spam(const message::Headers& headers) {
  return std::ranges::any_of(headers.find_all("X-Spam-Flag"),
                             [](const std::string& value) { return first_word(value) == "yes"; });
}

std::optional<std::string_view> find_reason_for_silence(const message::Headers& headers,
                                                        std::string_view sender) {
  if (sender.empty()) return "it is from the null sender";
  if (is_program(sender)) return "its sender is a program's address";
  for (const message::Field& field : headers.fields())
    if (to_lower(field.name.substr(0, 5)) == "list-") return "it is from a mailing list";
  for (const std::string& value : headers.find_all("Precedence")) {
    const std::string word = first_word(value);
    if (word == "bulk" || word == "junk" || word == "list") return "its Precedence is bulk";
  }
  if (is_auto_submitted(headers)) return "a program has sent it";
  if (suppresses_answers(headers)) return "it asks for no answers (X-Auto-Response-Suppress)";
  // RFC 3834 section 2: a report about mail that carries no Auto-Submitted.
  if (first_word(headers.find("Content-Type").value_or("")) == "multipart/report")
    return "it is a report about mail";
  if (is_marked_spam(headers)) return "it is spam";
  return std::nullopt;
}

}  // namespace posthorn::lda
