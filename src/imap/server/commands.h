// All that a client can ask for after the login, in one table: where a command is legal, what holds
// while it runs, and the parts of the session (context.h) that it works with. A command is a free
// function in a file of its own or its family's (cmd_*.cc); to add one, write it and add its line
// here. It gives the tagged answer. An Error of the store is answered and logged by the loop (NO
// [UNAVAILABLE]); one of the connection ends the session.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "imap/server/context.h"

namespace posthorn::imap {

enum CommandFlag : unsigned {
  // RFC 3501 section 3: legal in the selected state alone; without it also before a SELECT.
  kSelected = 1,
  // RFC 3501 section 7.4.1: no EXPUNGE while FETCH, STORE and SEARCH run, or the numbers of what a
  // client has sent behind them would name other messages (section 5.5).
  kHoldsExpunges = 2,
  // Goes on where the last FETCH of a range ended; every other command forgets it.
  kKeepsResume = 4,
  // The literal behind its mailbox's name is a message: the command reads it itself.
  kReadsMessage = 8,
  // RFC 5464 section 4.3: a literal of it that is too long is a value that is, and no fault.
  kHasValues = 16,
};

// clang-format off
#define POSTHORN_IMAP_COMMANDS(COMMAND)                                                            \
  /* name, function, flags, parts of the session */                                                \
  COMMAND("CAPABILITY", capability, 0, Responses&)                                                 \
  COMMAND("NOOP", noop, 0, store::ViewPtr&)                                                        \
  COMMAND("LOGOUT", logout, 0, store::ViewPtr&, Connection&)                                       \
  COMMAND("ID", id, 0, Responses&)                                                                 \
  COMMAND("ENABLE", enable, 0, Responses&, const User&, store::AnnotationWatchPtr&)                \
  COMMAND("IDLE", idle, 0, store::ViewPtr&, Connection&, const User&)                              \
  COMMAND("NAMESPACE", name_space, 0, Responses&, const User&)                                     \
  COMMAND("SELECT", select, 0, store::ViewPtr&, Responses&, const User&)                           \
  COMMAND("EXAMINE", examine, 0, store::ViewPtr&, Responses&, const User&)                         \
  COMMAND("CREATE", create, 0, const User&)                                                        \
  COMMAND("DELETE", remove, 0, store::ViewPtr&, const User&)                                       \
  COMMAND("RENAME", rename, 0, const User&)                                                        \
  COMMAND("SUBSCRIBE", subscribe, 0, const User&)                                                  \
  COMMAND("UNSUBSCRIBE", unsubscribe, 0, const User&)                                              \
  COMMAND("LIST", list, 0, Responses&, const User&)                                                \
  COMMAND("LSUB", lsub, 0, Responses&, const User&)                                                \
  COMMAND("STATUS", status, 0, Responses&, const User&)                                            \
  COMMAND("APPEND", append, kReadsMessage, Connection&, const User&)                               \
  COMMAND("GETQUOTA", get_quota, 0, Responses&, const User&)                                       \
  COMMAND("GETQUOTAROOT", get_quota_root, 0, Responses&, const User&)                              \
  COMMAND("SETQUOTA", set_quota, 0)                                                                \
  COMMAND("GETMETADATA", get_metadata, 0, Responses&, const User&)                                 \
  COMMAND("SETMETADATA", set_metadata, kHasValues, const User&, store::AnnotationWatchPtr&)        \
  COMMAND("CHECK", noop, kSelected, store::ViewPtr&)                                               \
  COMMAND("CLOSE", close, kSelected, store::ViewPtr&)                                              \
  COMMAND("UNSELECT", unselect, kSelected, store::ViewPtr&)                                        \
  COMMAND("EXPUNGE", expunge, kSelected, store::View&)                                             \
  COMMAND("UID EXPUNGE", uid_expunge, kSelected, store::View&)                                     \
  COMMAND("SEARCH", search, kSelected | kHoldsExpunges, store::View&, Responses&, const User&)     \
  COMMAND("UID SEARCH", uid_search, kSelected, store::View&, Responses&, const User&)              \
  COMMAND("FETCH", fetch, kSelected | kHoldsExpunges | kKeepsResume,                               \
          store::View&, Responses&, const User&, FetchResumePtr&)                                  \
  COMMAND("UID FETCH", uid_fetch, kSelected | kKeepsResume,                                        \
          store::View&, Responses&, const User&, FetchResumePtr&)                                  \
  COMMAND("STORE", store_flags, kSelected | kHoldsExpunges, store::View&, Responses&, const User&) \
  COMMAND("UID STORE", uid_store_flags, kSelected, store::View&, Responses&, const User&)          \
  COMMAND("COPY", copy, kSelected, store::View&, const User&)                                      \
  COMMAND("UID COPY", uid_copy, kSelected, store::View&, const User&)                              \
  COMMAND("MOVE", move, kSelected, store::View&, Responses&, const User&)                          \
  COMMAND("UID MOVE", uid_move, kSelected, store::View&, Responses&, const User&)
// clang-format on

#define POSTHORN_DECLARE(name, function, flags, ...) \
  net::Task<Outcome> function(Parser& parser __VA_OPT__(, ) __VA_ARGS__);
POSTHORN_IMAP_COMMANDS(POSTHORN_DECLARE)
#undef POSTHORN_DECLARE

struct Command {
  std::string_view name;
  net::Task<Outcome> (*run)(Parser& parser, Context& context);
  unsigned flags = 0;

  bool has(CommandFlag flag) const { return (flags & flag) != 0; }
};

std::span<const Command> commands();

// The command whose name comes next ("UID FETCH" is one), and the place behind it; nullptr: there
// is none of this name.
const Command* take_command(Parser& parser);

// RFC 3501 section 3, as far as it is after the login.
enum class State { authenticated, selected };

// The answer to a command that may not be carried out now; nullopt: it may.
std::optional<Outcome> refuse_illegal(const Command* command, State state);

}  // namespace posthorn::imap
