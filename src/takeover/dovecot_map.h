// Dovecot's settings as this server's: what stood in dovecot.conf becomes settings, tables, files
// to copy, and a line of the report for each. It never opens more than the old server did: what it
// is not sure of stays closed, and the report says so.
#pragma once

#include "takeover/dovecot_conf.h"
#include "takeover/plan.h"
#include "takeover/report.h"

namespace posthorn::takeover {

// Reads the files that the settings name (users, scripts), and writes none.
void map_dovecot(const DovecotConf& conf, Plan& plan, Report& report);

}  // namespace posthorn::takeover
