// What the site makes of spamd's verdict: scores of its own, and a mark in the Subject. Sans-I/O;
// the message itself stays as it came, only the fields that go with it say something else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "filter/verdict.h"

namespace posthorn::filter {

// filter.spam_score decides anew whether it is spam, and X-Spam-Flag and X-Spam-Status say so;
// below filter.headers_score no field is added. A verdict without a score is left as it is.
void apply_scores(const config::Filter& config, Verdict& verdict);
// One of those that filter.headers names by their first letters: in a stranger's mail it is not to
// be believed.
bool is_filter_field(const config::Filter& config, std::string_view name);
// filter.discard_score is reached.
bool is_discarded(const config::Filter& config, const Verdict& verdict);

// "Subject: ***SPAM*** as it was\r\n", to stand in the place of the message's own field, which is
// kept byte for byte behind the mark (RFC 2047 section 5: encoded words need white space around
// them). subject: the raw value of that field, with its folding; nullopt: there is none. nullopt:
// the mark stands there already.
std::optional<std::string> mark_subject(std::optional<std::string_view> subject,
                                        std::string_view mark);

}  // namespace posthorn::filter
