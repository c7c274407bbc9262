// `posthorn init [FOLDER]`: a complete instance below a folder, ready for `posthorn serve`. On a
// terminal it asks for what no flag says; nothing is written before the last answer, a file that is
// there is never overwritten, and run again it goes on where a crash ended it.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "setup/answers.h"
#include "tools/dms_files.h"

namespace posthorn::tools {

// What the dialogue asks for, as flags say it.
struct InitFlags {
  std::string account;
  Path password_file;  // "-": standard input
  std::string relay, relay_login;
  Path relay_password_file;
  std::string acme_email, acme_directory;
  bool yes = false;  // to every question; each proposal is taken
};

struct InitOptions {
  Path folder;  // empty: /etc/posthorn, with mail and queue where Debian's package has them
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
  InitFlags flags;
  // Of the flags, or of the answers.
  setup::Relay relay;
  setup::Acme acme;
  Path acme_authority, acme_eab_key_file;
  std::string acme_eab_key_id;
};

int init_instance(const InitOptions& options);

}  // namespace posthorn::tools
