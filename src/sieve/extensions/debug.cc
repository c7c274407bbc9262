// vnd.dovecot.debug: debug_log writes a line into the owner's log.
#include <fmt/format.h>

#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

constexpr std::size_t kLines = 100, kBytes = 1000;  // of one script, of one line

struct Logged {
  std::size_t lines = 0;
};

Flow debug_log(Run& run, const Call& call) {
  if (++run.state<Logged>().lines > kLines)
    return run.fail(fmt::format("a script may log {} lines", kLines));
  run.log(std::string(call.text(run, 0).substr(0, kBytes)));
  return Flow::next;
}

}  // namespace

Extension vnd_dovecot_debug() {
  return {.name = "vnd.dovecot.debug",
          .standard = "Dovecot's",
          .commands = {{.name = "debug_log",
                        .arguments = {{"a text", Kind::string}},
                        .run = debug_log}},
          .limits = "100 lines of 1000 bytes"};
}

}  // namespace posthorn::sieve::extension
