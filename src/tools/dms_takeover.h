// `posthorn import config --from-dms`: docker-mailserver's config folder as a plan and a report.
// Its tables are read by dms_files, which `posthorn init --from-dms` writes; here stands what lies
// beside them: mailserver.env, dovecot.cf, rspamd's keys, the certificates in ssl, and a line for
// every file. What docker-mailserver opens only when it is told to stays closed without its
// variables.
#pragma once

#include "base/file.h"
#include "base/result.h"
#include "takeover/plan.h"
#include "takeover/report.h"
#include "tools/dms_files.h"

namespace posthorn::tools {

// The Error: the folder holds none of its files, or one cannot be read.
Result<DmsFiles> take_over_dms(const Path& folder, takeover::Plan& plan, takeover::Report& report);

}  // namespace posthorn::tools
