// What makes, removes, renames and subscribes mailboxes. RFC 3501 sections 6.3.3 to 6.3.7, RFC 6154
// (CREATE-SPECIAL-USE), RFC 8474 (MAILBOXID).
#include "imap/server/commands.h"
#include "store/annotations.h"

namespace posthorn::imap {
namespace {

// "(USE (\Junk))"; nullopt: there is a fault in it. RFC 4466 section 2.1: a parameter that is not
// known is one.
std::optional<std::vector<std::string>> take_uses(Parser& parser) {
  if (!parser.take_open() || !parser.take_word("USE") || !parser.take_space() ||
      parser.peek() != '(')
    return std::nullopt;
  auto uses = parser.flags();
  if (!parser.take_close()) return std::nullopt;
  return uses;
}

}  // namespace

net::Task<Outcome> create(Parser& parser, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name) co_return bad("A mailbox name is needed");
  std::optional<std::vector<std::string>> uses(std::in_place);
  if (!parser.at_end() && parser.take_space()) uses = take_uses(parser);
  if (!uses || !parser.at_end()) co_return bad("A mailbox name is needed, and perhaps (USE (...))");
  // RFC 6154 section 3: no mailbox is made where its use cannot be had. Two uses none has.
  auto use = uses->empty() ? store::SpecialUse::none : store::parse_special_use(uses->front());
  if (uses->size() > 1 || !use || (!uses->empty() && use == store::SpecialUse::none))
    co_return no("The mailbox cannot have this special use", "USEATTR");
  CO_TRY(const auto result, co_await user.account->create(*name, *use));
  if (result != store::NameResult::done) co_return name_outcome(result);
  CO_TRY(const auto id, co_await user.account->mailbox_id(*name));
  // RFC 8474 section 4.1.
  co_return ok("Create completed",
               id.value_or("").empty() ? "" : fmt::format("MAILBOXID ({})", *id));
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
