// What opens a mailbox and closes it: SELECT, EXAMINE, CLOSE, UNSELECT. RFC 3501 sections 6.3.1,
// 6.3.2 and 6.4.2, RFC 3691, RFC 8474 (MAILBOXID).
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"

namespace posthorn::imap {
namespace {

net::Task<Outcome> open_mailbox(Parser& parser, store::ViewPtr& view, Responses& responses,
                                const User& user, store::Access access) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  view.reset();  // RFC 3501 section 6.3.1: whatever happens, the old one is not selected any more
  CO_TRY(auto opened, co_await user.account->open_view(*name, access));
  if (!opened) co_return no("There is no such mailbox", "NONEXISTENT");
  view = std::move(opened);
  (void)view->take_changes(store::ExpungeMode::allowed);
  store::Mailbox& mailbox = view->mailbox();
  tell_keywords(*view, responses);
  responses.say("{} EXISTS", view->size());
  responses.say("{} RECENT", view->recent());
  if (const auto unseen = view->first_unseen())
    responses.say("OK [UNSEEN {}] First unseen.", *unseen);
  responses.say("OK [UIDVALIDITY {}] UIDs valid", mailbox.uidvalidity());
  responses.say("OK [UIDNEXT {}] Predicted next UID", mailbox.uidnext());
  if (!mailbox.mailbox_id().empty())
    responses.say("OK [MAILBOXID ({})] The mailbox's for good", mailbox.mailbox_id());
  co_return access == store::Access::read_write ? ok("Select completed", "READ-WRITE")
                                                : ok("Examine completed", "READ-ONLY");
}

}  // namespace

net::Task<Outcome> select(Parser& parser, store::ViewPtr& view, Responses& responses,
                          const User& user) {
  return open_mailbox(parser, view, responses, user, store::Access::read_write);
}

net::Task<Outcome> examine(Parser& parser, store::ViewPtr& view, Responses& responses,
                           const User& user) {
  return open_mailbox(parser, view, responses, user, store::Access::read_only);
}

// RFC 3501 section 6.4.2: what is marked as deleted goes without a word of it.
net::Task<Outcome> close(Parser& parser, store::ViewPtr& view) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  if (view->access() == store::Access::read_write) CO_TRY_OK(co_await view->mailbox().expunge());
  view.reset();
  co_return ok("Close completed");
}

net::Task<Outcome> unselect(Parser& parser, store::ViewPtr& view) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  view.reset();
  co_return ok("Unselect completed");
}

}  // namespace posthorn::imap
