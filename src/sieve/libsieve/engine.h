// The Sieve engine behind a small interface: script and message in, a list of actions out. It
// touches neither disk nor net. Today's engine is libsieve, and only the administrator's scripts
// run on it: it takes headers and size from us, and scripts that it is known to get wrong are
// refused when they are checked. RFC 5228, 5233 (subaddress), 5232.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "message/headers.h"

namespace posthorn::sieve::libsieve {

struct Keep {
  std::vector<std::string> flags;
};
struct FileInto {
  std::string mailbox;
  std::vector<std::string> flags;
};
struct Redirect {
  std::string address;
};
struct Reject {
  std::string reason;
};
struct Discard {};
using Action = std::variant<Keep, FileInto, Redirect, Reject, Discard>;

struct Input {
  const message::Headers& headers;
  std::uint64_t size = 0;
  std::string sender;     // envelope
  std::string recipient;  // envelope, with its tag
};

inline constexpr std::size_t kScriptMax = 1U << 20U;
inline constexpr std::size_t kRedirectsMax = 4;
inline constexpr std::size_t kActionsMax = 32;

class Script {
 public:
  // Checks the text; the error is config: "name:line: reason".
  static Result<Script> parse(std::string text, const std::string& name);
  // The actions in order, at least one: no action of the script means Keep (RFC 5228
  // section 2.10.2). An Error: it went wrong on the way, and the caller keeps the message.
  // libsieve's parser has static state: a run and a parse on another thread wait for each other.
  Result<std::vector<Action>> run(const Input& input) const;

 private:
  std::string text_;
};

}  // namespace posthorn::sieve::libsieve
