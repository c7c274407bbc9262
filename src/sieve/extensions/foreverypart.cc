// foreverypart (RFC 5703 section 3): a loop over the parts of the message, the message itself
// first; a loop within a loop goes over what is within the part. `break` leaves one.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "sieve/extensions/table.h"
#include "sieve/language/checker.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

std::string name_of(Checker& checker, const Node& node) {
  const Arg* const name = checker.find_tag(node, "name");
  if (name == nullptr || name->count == 0) return {};
  return std::string(checker.program().text(checker.program().strings[name->first]));
}

void check_loop(Checker& checker, Node& node, const syntax::Item& item) {
  const std::size_t most = checker.settings().loop_depth_max;
  if (checker.loops.size() >= most)
    checker.fault(item.at, fmt::format("no more than {} loops may stand in one another", most));
  checker.loops.push_back(name_of(checker, node));
}

void check_break(Checker& checker, Node& node, const syntax::Item& item) {
  const std::string name = name_of(checker, node);
  if (checker.loops.empty())
    checker.fault(item.at, "`break` stands outside of every loop");
  else if (!name.empty() && std::ranges::none_of(checker.loops, [&](const std::string& loop) {
             return equals_ignoring_case(loop, name);
           }))
    checker.fault(item.at, fmt::format("no loop around this `break` has the name \"{}\"", name));
}

// Whether the loop is the one that `break` meant.
bool is_left(Run& run, const Call& call) {
  if (!run.loop_to_leave.empty() &&
      !equals_ignoring_case(run.loop_to_leave, call.text(run, "name").value_or("")))
    return false;
  run.loop_to_leave.clear();
  return true;
}

Flow loop(Run& run, const Call& call) {
  const std::size_t most = run.settings().loop_depth_max;
  if (run.loops.size() >= most)
    return run.fail(fmt::format("more than {} loops stand in one another", most));
  const bool is_within = !run.loops.empty();
  const std::size_t around = run.part();
  for (std::size_t at = is_within ? around + 1 : 0;; ++at) {
    // Anew each time: `replace` may have changed what follows.
    const auto& parts = run.message().all_parts();
    if (parts.empty()) {
      run.ask(Answer<bool>());
      return Flow::failed;
    }
    if (at >= (is_within ? parts[std::min(around, parts.size() - 1)].end : parts.size()))
      return Flow::next;
    if (!run.spend(1)) return Flow::failed;
    run.loops.push_back(at);
    const Flow flow = run.block(call);
    run.loops.pop_back();
    if (flow == Flow::broken && is_left(run, call)) return Flow::next;
    if (flow != Flow::next) return flow;
  }
}

Flow leave(Run& run, const Call& call) {
  run.loop_to_leave = call.text(run, "name").value_or("");
  return Flow::broken;
}

}  // namespace

Extension foreverypart() {
  return {.name = "foreverypart",
          .standard = "RFC 5703 section 3",
          .commands =
              {{.name = "foreverypart", .run = loop, .check = check_loop, .block = Block::needed},
               {.name = "break", .run = leave, .check = check_break}},
          .tags = {{.of = "foreverypart break", .name = "name", .argument = Kind::string}},
          .limits = "4 loops in one another; 10 000 parts"};
}

}  // namespace posthorn::sieve::extension
