// Which mailboxes there are: LIST and LSUB. RFC 3501 sections 6.3.8 and 6.3.9, RFC 6154.
#include <map>

#include "base/ascii.h"
#include "imap/server/commands.h"
#include "store/mailbox_name.h"

namespace posthorn::imap {
namespace {

// What LIST asks for.
struct ListRequest {
  std::string reference, pattern;
  bool only_special = false;      // selection: RFC 6154 section 3
  bool tells_subscribed = false;  // RETURN: RFC 5258 section 4
};

// "(" words ")"; false: one of them is none that is served. CHILDREN and SPECIAL-USE are always
// told, so that asking for them changes nothing.
template <class Known>
bool take_options(Parser& parser, const Known& is_known) {
  if (!parser.take_open()) return false;
  if (parser.take_close()) return true;
  do {
    const auto option = parser.atom();
    if (!option || !is_known(to_upper(*option))) return false;
  } while (parser.take_next());
  return parser.take_close();
}

// RFC 3501 section 6.3.8, with RFC 6154's (SPECIAL-USE) selection and RETURN (SPECIAL-USE CHILDREN
// SUBSCRIBED). RFC 5258 section 3: an option that is not known is BAD, or a client would wait for
// what never comes.
std::expected<ListRequest, Outcome> parse_list(Parser& parser) {
  ListRequest request;
  const auto incomplete = [] {
    return std::unexpected(bad("LIST needs a reference and a pattern"));
  };
  if (!parser.take_space()) return incomplete();
  if (parser.peek() == '(') {
    if (!take_options(parser, [&](const std::string& option) {
          request.only_special |= option == "SPECIAL-USE";
          return option == "SPECIAL-USE";
        }))
      return std::unexpected(bad("Unknown selection option"));
    if (!parser.take_space()) return incomplete();
  }
  auto reference = parser.astring();
  if (!reference || !parser.take_space()) return incomplete();
  auto pattern = parser.list_mailbox();
  if (!pattern) return incomplete();
  request.reference = *std::move(reference);
  request.pattern = *std::move(pattern);
  if (parser.at_end()) return request;
  if (!parser.take_space() || !parser.take_word("RETURN") || !parser.take_space() ||
      !take_options(parser,
                    [&](const std::string& option) {
                      request.tells_subscribed |= option == "SUBSCRIBED";
                      return option == "SUBSCRIBED" || option == "CHILDREN" ||
                             option == "SPECIAL-USE";
                    }) ||
      !parser.at_end())
    return std::unexpected(bad("Unknown return option"));
  return request;
}

}  // namespace

net::Task<Outcome> list(Parser& parser, Responses& responses, const User& user) {
  const auto request = parse_list(parser);
  if (!request) co_return request.error();
  const MailboxNames names = user.names();
  if (request->pattern.empty() && !request->only_special) {
    // The question for the separator.
    responses.say("LIST (\\Noselect) \"{}\" \"\"", names.separator());
    co_return ok("List completed");
  }
  const auto wanted = names.pattern(request->reference + request->pattern);
  CO_TRY(const auto mailboxes, co_await user.account->list());
  for (const store::MailboxInfo& info : mailboxes) {
    if (!wanted || (!list_matches(*wanted, info.name, '.') &&
                    !(info.name == "INBOX" && list_matches(to_upper(*wanted), "INBOX", '.'))))
      continue;
    if (request->only_special && info.use == store::SpecialUse::none) continue;
    // A subscription to what is gone is LSUB's alone (RFC 3501 section 6.3.9).
    if (!info.is_selectable && !info.has_children) continue;
    std::string attributes = info.has_children ? "\\HasChildren" : "\\HasNoChildren";
    if (!info.is_selectable) attributes += " \\Noselect";
    if (request->tells_subscribed && info.is_subscribed) attributes += " \\Subscribed";
    if (info.use != store::SpecialUse::none)
      attributes += " " + std::string(store::to_string(info.use));
    responses.say("LIST ({}) \"{}\" {}", attributes, names.separator(), names.format(info.name));
  }
  co_return ok("List completed");
}

net::Task<Outcome> lsub(Parser& parser, Responses& responses, const User& user) {
  std::optional<std::string> reference, pattern;
  if (parser.take_space()) reference = parser.astring();
  if (reference && parser.take_space()) pattern = parser.list_mailbox();
  if (!pattern || !parser.at_end()) co_return bad("LSUB needs a reference and a pattern");
  const MailboxNames names = user.names();
  const auto wanted = names.pattern(*reference + *pattern);
  CO_TRY(const auto mailboxes, co_await user.account->list());
  std::map<std::string_view, bool> found;  // may it be selected
  for (const store::MailboxInfo& info : mailboxes) {
    if (!info.is_subscribed || !wanted) continue;
    if (list_matches(*wanted, info.name, '.'))
      found.insert_or_assign(info.name, info.is_selectable);
    // RFC 3501 section 6.3.9: with %, a level above a subscribed name that is not subscribed
    // itself.
    if (!wanted->ends_with('%')) continue;
    for (std::string_view above = store::parent_of(info.name); !above.empty();
         above = store::parent_of(above))
      if (list_matches(*wanted, above, '.')) found.try_emplace(above, false);
  }
  for (const auto& [name, is_selectable] : found)
    responses.say("LSUB ({}) \"{}\" {}", is_selectable ? "" : "\\Noselect", names.separator(),
                  names.format(std::string(name)));
  co_return ok("Lsub completed");
}

}  // namespace posthorn::imap
