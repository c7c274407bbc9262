// reject and ereject (RFC 5429). How the sender is told is the host's; what they may not stand
// beside is language/conflicts.cc's.
#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

template <Reject::How how>
Flow reject_with(Run& run, const Call& call) {
  return run.act(call, {.what = Reject{std::string(call.text(run, 0)), how}});
}

}  // namespace

Extension reject() {
  return {.name = "reject",
          .standard = "RFC 5429 section 2.2",
          .commands = {{.name = "reject",
                        .arguments = {{"a reason", Kind::string}},
                        .run = reject_with<Reject::How::reject>}},
          .limits = "one a script, beside nothing that delivers"};
}

Extension ereject() {
  return {.name = "ereject",
          .standard = "RFC 5429 section 2.1",
          .commands = {{.name = "ereject",
                        .arguments = {{"a reason", Kind::string}},
                        .run = reject_with<Reject::How::ereject>}},
          .limits = "one a script, beside nothing that delivers"};
}

}  // namespace posthorn::sieve::extension
