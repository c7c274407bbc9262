// To which mail no program may answer: RFC 5230 section 4.6, RFC 3834 section 2. A function of the
// message alone; whether it was written to the user, and who was answered before, others ask.
#pragma once

#include <optional>
#include <string_view>

#include "message/headers.h"

namespace posthorn::lda {

// Why nobody answers a message with this header and envelope sender; nullopt: one may.
std::optional<std::string_view> find_reason_for_silence(const message::Headers& headers,
                                                        std::string_view sender);
// RFC 3834 section 5, RFC 5436 section 2.7.1: written by a program. What is "no" is not.
bool is_auto_submitted(const message::Headers& headers);
// The filter's mark (filter/marks.h).
bool is_marked_spam(const message::Headers& headers);

}  // namespace posthorn::lda
