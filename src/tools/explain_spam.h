// `posthorn spam explain ID`: what the filter said of a mail that has come, and what was done
// because of it and by which setting, from the trail. Asked of spamd again is a
// mail that lies in a file alone (tools/spam.h); both are printed in the same way.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "config/config.h"
#include "filter/verdict.h"

namespace posthorn::tools {

enum class Format { text, json };

// id: a queue id or a Message-ID. Exit status 1: it was spam; 2: nothing is known of it.
int explain_past_spam(const config::Config& config, const std::string& id, Format format);

void print_verdict(const filter::Verdict& verdict);
nlohmann::ordered_json json_of(const filter::Verdict& verdict);

}  // namespace posthorn::tools
