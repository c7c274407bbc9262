// EXPUNGE and UID EXPUNGE: what is marked as deleted goes. RFC 3501 section 6.4.3, RFC 4315 section
// 2.1. What went is told as for any change.
#include "imap/server/commands.h"
#include "imap/server/open_mailbox.h"

namespace posthorn::imap {

net::Task<Outcome> expunge(Parser& parser, store::View& view) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  if (view.access() == store::Access::read_only) co_return no("The mailbox is read-only");
  CO_TRY_OK(co_await view.mailbox().expunge());
  co_return ok("Expunge completed");
}

net::Task<Outcome> uid_expunge(Parser& parser, store::View& view) {
  std::optional<SequenceSet> set;
  if (parser.take_space()) set = parser.sequence_set();
  if (!set || !parser.at_end()) co_return bad("UID EXPUNGE needs UIDs");
  if (view.access() == store::Access::read_only) co_return no("The mailbox is read-only");
  CO_TRY_OK(co_await view.mailbox().expunge(uids_of(view, *set, Numbers::uid)));
  co_return ok("Expunge completed");
}

}  // namespace posthorn::imap
