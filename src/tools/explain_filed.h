// `posthorn explain filed ID`: where a mail lies or lay, which line of which script put it there,
// or why it is nowhere. The trail says what was done, the store what is there now, the scripts are
// read where they lie. Changes nothing.
#pragma once

#include "tools/explain.h"

namespace posthorn::tools {

// options.mail: a queue id or a Message-ID; options.account: of this recipient or account alone.
int explain_filed(const config::Config& config, const ExplainOptions& options);

}  // namespace posthorn::tools
