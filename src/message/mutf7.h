// Modified UTF-7 (RFC 3501 section 5.1.3): mailbox names as IMAP without UTF8=ACCEPT sends them and
// as maildir folders are called. One name has one spelling: what would not come back the same is
// refused, so that nobody can make two folders of one name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace posthorn::message {

// nullopt: it is not that; also for names with control characters in disguise.
std::optional<std::string> decode_mutf7(std::string_view text);
// nullopt: it is not valid UTF-8.
std::optional<std::string> encode_mutf7(std::string_view utf8);

}  // namespace posthorn::message
