// The answer to a command (RFC 3501 section 7.1): "OK [CODE] text", the code without its brackets.
// The loop puts the tag in front and says it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace posthorn::imap {

struct Outcome {
  std::string_view status = "OK";
  std::string code;
  std::string text;
};

inline Outcome ok(std::string text, std::string code = {}) {
  return {"OK", std::move(code), std::move(text)};
}
inline Outcome no(std::string text, std::string code = {}) {
  return {"NO", std::move(code), std::move(text)};
}
inline Outcome bad(std::string text) {
  return {"BAD", {}, std::move(text)};
}

}  // namespace posthorn::imap
