// What a mail is to its reader, as a spam filter is taught it.
#pragma once

#include <optional>
#include <string_view>

namespace posthorn::message {

enum class MailClass { ham, spam };

constexpr std::string_view to_string(MailClass what) {
  return what == MailClass::spam ? "spam" : "ham";
}
constexpr std::optional<MailClass> find_mail_class(std::string_view word) {
  if (word == "spam") return MailClass::spam;
  if (word == "ham") return MailClass::ham;
  return std::nullopt;
}

}  // namespace posthorn::message
