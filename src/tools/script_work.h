// A user's scripts over the store's desk, wherever that is (store/script_desk.h), for the commands
// that list, put and import them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "scripts/check.h"
#include "tools/transfer_work.h"

namespace posthorn::tools {

struct ScriptList {
  std::vector<std::string> names;
  std::string active;  // empty: none
};
net::Task<ScriptList> list_scripts_of(Desk desk);
net::Task<std::string> read_script(Desk desk, std::string name);
net::Task<> put_script(Desk desk, std::string name, std::string text);

// "file:3:5: text", a line each.
std::string format_faults_in(std::string_view file, const std::vector<scripts::Fault>& faults);

// What lies in a mail volume that is used where it is: a line for each account with scripts of its
// own, and what is wrong in them, on standard output. mailboxes: a table's text, an address first
// in each line.
Result<> tell_scripts_found(const config::Config& config, std::string_view mailboxes);

// The scripts that lie in a maildir of Dovecot's, or in the home around it, into the account of the
// desk: what is there of the same name stays, and so does the active one. What is faulty is taken
// and told of.
net::Task<> import_scripts(Desk desk, Path maildir);

// The account's scripts into an empty folder, as Dovecot would find them.
Result<> export_scripts(const Path& account, const Path& place);

}  // namespace posthorn::tools
