// What makes, removes, renames and subscribes mailboxes. RFC 3501 sections 6.3.3 to 6.3.7.
#include "imap/server/commands.h"

namespace posthorn::imap {

net::Task<Outcome> create(Parser& parser, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  CO_TRY(const auto result, co_await user.account->create(*name));
  co_return name_outcome(result);
}

net::Task<Outcome> remove(Parser& parser, store::ViewPtr& view, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  if (view && view->mailbox().name() == *name) view.reset();
  CO_TRY(const auto result, co_await user.account->remove(*name));
  co_return name_outcome(result);
}

net::Task<Outcome> rename(Parser& parser, const User& user) {
  std::optional<std::string> from, to;
  if (parser.take_space()) from = user.names().take(parser);
  if (from && parser.take_space()) to = user.names().take(parser);
  if (!to || !parser.at_end()) co_return bad("Two mailbox names are needed");
  CO_TRY(const auto result, co_await user.account->rename(*from, *to));
  co_return name_outcome(result);
}

net::Task<Outcome> subscribe(Parser& parser, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  CO_TRY(const auto result, co_await user.account->subscribe(*name));
  co_return name_outcome(result);
}

net::Task<Outcome> unsubscribe(Parser& parser, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  CO_TRY(const auto result, co_await user.account->unsubscribe(*name));
  co_return name_outcome(result);
}

}  // namespace posthorn::imap
