// vnd.dovecot.pipe, filter and execute: programs that a script would run. They stand in the table
// only to be refused with the reason.
#include "sieve/extensions/table.h"

namespace posthorn::sieve::extension {
namespace {

Extension refused(std::string_view name, std::vector<CommandRow> commands,
                  std::vector<TestRow> tests) {
  return {.name = name,
          .standard = "Dovecot's",
          .commands = std::move(commands),
          .tests = std::move(tests),
          .refused = "no process of this server runs other programs"};
}

}  // namespace

Extension vnd_dovecot_execute() {
  return refused("vnd.dovecot.execute", {{.name = "execute"}}, {{.name = "execute"}});
}

Extension vnd_dovecot_filter() {
  return refused("vnd.dovecot.filter", {{.name = "filter"}}, {{.name = "filter"}});
}

Extension vnd_dovecot_pipe() {
  return refused("vnd.dovecot.pipe", {{.name = "pipe"}}, {});
}

}  // namespace posthorn::sieve::extension
