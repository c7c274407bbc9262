#include "imap/server/commands.h"

#include <algorithm>
#include <concepts>

#include "base/ascii.h"

namespace posthorn::imap {
namespace {

// Calls a command with the parts of the session that its parameters name. One that works with the
// open mailbox cannot stand in the table as legal without one.
template <auto Function, unsigned Flags>
struct Row;

template <class... Parts, net::Task<Outcome> (*Function)(Parser&, Parts&...), unsigned Flags>
struct Row<Function, Flags> {
  static_assert(!(std::same_as<Parts, store::View> || ...) || (Flags & kSelected) != 0);

  static net::Task<Outcome> run(Parser& parser, [[maybe_unused]] Context& context) {
    return Function(parser, context.part<Parts>()...);
  }
};

#define POSTHORN_ROW(name, function, flags, ...) {name, Row<&function, (flags)>::run, (flags)},
constexpr Command kCommands[] = {POSTHORN_IMAP_COMMANDS(POSTHORN_ROW)};
#undef POSTHORN_ROW

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

std::vector<std::string_view> command_names() {
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) names.push_back(command.name);
  return names;
}

const Command* take_command(Parser& parser) {
  std::string name = to_upper(parser.atom().value_or(""));
  if (name == "UID" && parser.take_space()) name += " " + to_upper(parser.atom().value_or(""));
  const auto found = std::ranges::find(kCommands, std::string_view(name), &Command::name);
  return found == std::end(kCommands) ? nullptr : found;
}

std::optional<Outcome> refuse_illegal(const Command* command, State state) {
  if (command == nullptr) return bad("Unknown command");
  if (command->has(kSelected) && state != State::selected) return bad("Select a mailbox first");
  return std::nullopt;
}

}  // namespace posthorn::imap
