#include "lda/refusal.h"

#include "base/utf8.h"
#include "lda/answer_rules.h"

namespace posthorn::lda {

Ending refuse(const message::Headers& headers, const sieve::Action& asked) {
  const auto& reject = std::get<sieve::Reject>(asked.what);
  Asker by = asker_of(asked);
  if (!is_marked_spam(headers))
    return Refused{std::move(by), reject.how, refusal_text(reject.reason)};
  add_reason(by, "a script refuses it, and it is spam");
  return Discarded{std::move(by)};
}

std::string refusal_text(std::string_view reason) {
  constexpr std::size_t kMax = 900;  // what the queue keeps of a reply, less its code
  std::string text;
  while (!reason.empty()) {
    const std::size_t length = utf8_length(reason);
    const char first = reason.front();
    if (text.size() + length > kMax) break;
    const bool is_control = (first >= 0 && first < 0x20 && first != '\t') || first == 0x7F;
    if (first == '\n' && !text.empty())
      text += '\n';
    else if (first == '\t')
      text += ' ';
    else if (length > 0 && !is_control && !is_c1_control(reason))
      text += reason.substr(0, length);
    reason.remove_prefix(length == 0 ? 1 : length);
  }
  while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
  return text.empty() ? "Refused by the recipient" : text;
}

}  // namespace posthorn::lda
