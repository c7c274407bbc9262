// Postfix's settings as this server's: what stood in main.cf and master.cf becomes settings and
// tables, and a line of the report for each. It never opens more than the old server did: what it
// is not sure of stays closed, and the report says so. Reads the tables that are named, and writes
// nothing.
#pragma once

#include "base/file.h"
#include "takeover/main_cf.h"
#include "takeover/master_cf.h"
#include "takeover/plan.h"
#include "takeover/report.h"

namespace posthorn::takeover {

struct PostfixFiles {
  MainCf main;
  MasterCf master;
  Path passwd;           // whose accounts local(8) delivered to
  std::string hostname;  // of the machine, where main.cf names none
};

void map_postfix(const PostfixFiles& files, Plan& plan, Report& report);

}  // namespace posthorn::takeover
