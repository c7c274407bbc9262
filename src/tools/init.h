// `posthorn init DIR`: a complete instance below DIR, ready for `posthorn serve`. It never
// overwrites a file.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tools/dms_files.h"

namespace posthorn::tools {

struct InitOptions {
  Path folder;
  std::string hostname;
  std::vector<std::string> domains;
  std::string listen;  // empty: every address
  int port_base = -1;  // -1: the usual ports
  std::string spamd;
  std::string pgsql;    // libpq's connection string: tables and accounts are asked there
  Path pgsql_password;  // the file with its password
  Path dms_folder;  // docker-mailserver's config folder, whose accounts and aliases are taken over
  DmsFiles dms;     // what was read there
  std::string profile;  // empty: POSTHORN_PROFILE, then "default"
  // Elsewhere than below the folder, as packages and containers have it. Empty: as in [paths].
  Path mail, spool, run, state, webroot;
};

int init_instance(const InitOptions& options);

}  // namespace posthorn::tools
