// What `posthorn init` does besides writing files: single settings of an instance that is there,
// and its first account, its relay's login, its keys. Each is done once; run again, what is there
// stays.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "setup/answers.h"
#include "setup/settings_edit.h"
#include "tools/init_answers.h"

namespace posthorn::tools {

Result<> edit_present(const Present& present, const std::vector<setup::Change>& changes,
                      const std::vector<std::string>& domains);

// The server's name is another than it was: the certificate of its own making is for the old one.
enum class Renamed { no, yes };
Result<> do_deeds(const config::Config& config, const setup::Answers& answers, Renamed renamed);

}  // namespace posthorn::tools
