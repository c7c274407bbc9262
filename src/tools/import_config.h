// `posthorn import config`: the settings of Postfix and Dovecot as a server of this kind. What was
// there is only read; what is written is a new instance, or what one that is there lacks: no line
// and no setting that somebody wrote is changed. Run again, it goes on where it was interrupted.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "takeover/plan.h"
#include "takeover/report.h"
#include "tools/dms_files.h"

namespace posthorn::tools {

struct ImportConfigOptions {
  std::vector<Path> places;  // folders with main.cf, dovecot.conf, or those files
  Path dms;                  // docker-mailserver's config folder; empty: none
  Path into;                 // empty: /etc/posthorn
  std::string hostname;      // empty: as the old server was called
  std::string listen;        // as init's
  int port_base = -1;
  Path mail;
  bool is_dry = false;  // only says what it would do
  bool as_json = false;
};

// What was read, as a value.
struct ReadConfig {
  takeover::Plan plan;
  takeover::Report report;
  DmsFiles dms;
};
Result<ReadConfig> read_old_config(const ImportConfigOptions& options);

// Exit status: 0: it is made, and posthorn check is content; 1: nothing could be read, or not all
// was written, or check found a fault; what is said tells what to do. A trial exits as the making
// would, as far as it can be known without it.
int import_config(const ImportConfigOptions& options);

}  // namespace posthorn::tools
