// Report: why spamd holds a mail for spam or not: its score, and each rule that hit (SPAMC protocol
// 1.5, REPORT and SYMBOLS).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "filter/spamd.h"
#include "filter/verdict.h"

namespace posthorn::filter {

// user: the User field; may be empty.
// Without headers.
net::Task<Verdict> ask_report(Spamd& spamd, std::string user, std::string_view message);
// The names of the rules that hit.
net::Task<std::vector<std::string>> ask_symbols(Spamd& spamd, std::string user,
                                                std::string_view message);

}  // namespace posthorn::filter
