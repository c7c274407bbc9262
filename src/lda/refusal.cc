#include "lda/refusal.h"

#include "base/utf8.h"
#include "lda/answer_rules.h"

namespace posthorn::lda {

smtp::RecipientResult refuse(const message::Headers& headers, std::string_view reason) {
  using Reason = smtp::RecipientResult::Reason;
  if (is_marked_spam(headers)) return {Reason::discarded, {250, "2.0.0", "Ok: discarded"}};
  return {Reason::rejected, {550, "5.7.1", refusal_text(reason)}};
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
