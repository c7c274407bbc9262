// The commands about the session itself: CAPABILITY, NOOP (and CHECK), LOGOUT, ID, ENABLE,
// NAMESPACE. RFC 3501 sections 6.1 and 6.4.1, RFC 2342, RFC 2971, RFC 5161.
#include "base/ascii.h"
#include "imap/server/capabilities.h"
#include "imap/server/commands.h"

namespace posthorn::imap {

net::Task<Outcome> capability(Parser& parser, Responses& responses) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  responses.say("CAPABILITY {}", kCapabilities);
  co_return ok("Capability completed");
}

net::Task<Outcome> noop(Parser& parser, store::ViewPtr& view) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  if (view) CO_TRY_OK(co_await view->mailbox().refresh());
  co_return ok("Completed");
}

net::Task<Outcome> logout(Parser& parser, store::ViewPtr& view, Connection& connection) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  connection.responses().say("BYE Logging out");
  view.reset();
  connection.end("logout");
  co_return ok("Logout completed");
}

net::Task<Outcome> id(Parser& parser, Responses& responses) {
  if (!take_id(parser)) co_return bad("ID needs a list of names and values");
  responses.say("ID (\"name\" \"Posthorn\")");
  co_return ok("ID completed");
}

net::Task<Outcome> enable(Parser& parser, Responses& responses, const User& user,
                          store::AnnotationWatchPtr& watch) {
  if (!parser.take_space()) co_return bad("ENABLE needs a capability");
  bool wants_metadata = false;
  do {
    const auto name = parser.atom();
    if (!name) co_return bad("ENABLE needs a capability");
    wants_metadata |= equals_ignoring_case(*name, "METADATA");
  } while (parser.take_next());
  if (!parser.at_end()) co_return bad("ENABLE needs capabilities");
  if (wants_metadata && !watch) watch = std::make_unique<store::AnnotationWatch>(user.account);
  // RFC 5161 section 3: what is not known is passed over.
  responses.say("ENABLED{}", wants_metadata ? " METADATA" : "");
  co_return ok("ENABLE completed");
}

net::Task<Outcome> name_space(Parser& parser, Responses& responses, const User& user) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  responses.say("NAMESPACE ((\"\" \"{}\")) NIL NIL", user.names().separator());
  co_return ok("Namespace completed");
}

}  // namespace posthorn::imap
