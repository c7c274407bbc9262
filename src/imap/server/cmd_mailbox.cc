// The commands about mailboxes by name: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, STATUS, SELECT and
// their like. RFC 3501 sections 6.3.1 to 6.3.10, RFC 6154, RFC 8438, RFC 9208.
#include <fmt/format.h>
#include <map>

#include "base/ascii.h"
#include "imap/server/session_impl.h"
#include "message/mutf7.h"
#include "store/mailbox_name.h"

namespace posthorn::imap {

net::Awaitable<Outcome> Session::select(Parser& parser) {
  return open_mailbox(parser, store::Access::read_write);
}
net::Awaitable<Outcome> Session::examine(Parser& parser) {
  return open_mailbox(parser, store::Access::read_only);
}

net::Awaitable<Outcome> Session::open_mailbox(Parser& parser, store::Access access) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  view_.reset();  // RFC 3501 section 6.3.1: whatever happens, the old one is not selected any more
  auto opened = co_await account_->open_view(*name, access);
  if (!opened) co_return failed(opened.error());
  if (!*opened) co_return no("There is no such mailbox", "NONEXISTENT");
  view_ = *std::move(opened);
  (void)view_->take_changes(store::ExpungeMode::allowed);
  store::Mailbox& mailbox = view_->mailbox();
  const bool writable = access == store::Access::read_write;
  tell_keywords();
  out_ += fmt::format("* {} EXISTS\r\n* {} RECENT\r\n", view_->size(), view_->recent());
  if (const auto unseen = view_->first_unseen())
    out_ += fmt::format("* OK [UNSEEN {}] First unseen.\r\n", *unseen);
  out_ +=
      fmt::format("* OK [UIDVALIDITY {}] UIDs valid\r\n* OK [UIDNEXT {}] Predicted next UID\r\n",
                  mailbox.uidvalidity(), mailbox.uidnext());
  co_return ok(writable ? "Select completed" : "Examine completed",
               writable ? "READ-WRITE" : "READ-ONLY");
}

net::Awaitable<Outcome> Session::create(Parser& parser) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  const auto result = co_await account_->create(*name);
  co_return result ? name_outcome(*result, false) : failed(result.error());
}

net::Awaitable<Outcome> Session::remove(Parser& parser) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  if (view_ && view_->mailbox().name() == *name) view_.reset();
  const auto result = co_await account_->remove(*name);
  co_return result ? name_outcome(*result, false) : failed(result.error());
}

net::Awaitable<Outcome> Session::rename(Parser& parser) {
  std::optional<std::string> from, to;
  if (parser.take_space()) from = mailbox_name(parser);
  if (from && parser.take_space()) to = mailbox_name(parser);
  if (!to || !parser.at_end()) co_return bad("Two mailbox names are needed");
  const auto result = co_await account_->rename(*from, *to);
  co_return result ? name_outcome(*result, false) : failed(result.error());
}

net::Awaitable<Outcome> Session::subscribe(Parser& parser) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  const auto result = co_await account_->subscribe(*name);
  co_return result ? name_outcome(*result, false) : failed(result.error());
}

net::Awaitable<Outcome> Session::unsubscribe(Parser& parser) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.at_end()) co_return bad("One mailbox name is needed");
  const auto result = co_await account_->unsubscribe(*name);
  co_return result ? name_outcome(*result, false) : failed(result.error());
}

namespace {

// What LIST asks for beyond its pattern.
struct ListOptions {
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

}  // namespace

// RFC 3501 section 6.3.8, with RFC 6154's (SPECIAL-USE) selection and RETURN (SPECIAL-USE CHILDREN
// SUBSCRIBED). RFC 5258 section 3: an option that is not known is BAD, or a client would wait for
// what never comes.
net::Awaitable<Outcome> Session::list(Parser& parser) {
  ListOptions options;
  if (!parser.take_space()) co_return bad("LIST needs a reference and a pattern");
  if (parser.peek() == '(') {
    if (!take_options(parser, [&](const std::string& option) {
          options.only_special |= option == "SPECIAL-USE";
          return option == "SPECIAL-USE";
        }))
      co_return bad("Unknown selection option");
    if (!parser.take_space()) co_return bad("LIST needs a reference and a pattern");
  }
  const auto reference = parser.astring();
  if (!reference || !parser.take_space()) co_return bad("LIST needs a reference and a pattern");
  const auto pattern = parser.list_mailbox();
  if (!pattern) co_return bad("LIST needs a reference and a pattern");
  if (!parser.at_end()) {
    if (!parser.take_space() || !parser.take_word("RETURN") || !parser.take_space() ||
        !take_options(parser,
                      [&](const std::string& option) {
                        options.tells_subscribed |= option == "SUBSCRIBED";
                        return option == "SUBSCRIBED" || option == "CHILDREN" ||
                               option == "SPECIAL-USE";
                      }) ||
        !parser.at_end())
      co_return bad("Unknown return option");
  }
  if (pattern->empty() && !options.only_special) {
    // The question for the separator.
    out_ += fmt::format("* LIST (\\Noselect) \"{}\" \"\"\r\n", services_.config.imap.separator);
    co_return ok("List completed");
  }
  auto wanted = message::decode_mutf7(*reference + *pattern);
  if (wanted) wanted = other_separator(*std::move(wanted));
  const auto mailboxes = co_await account_->list();
  if (!mailboxes) co_return failed(mailboxes.error());
  for (const store::MailboxInfo& info : *mailboxes) {
    if (!wanted || (!list_matches(*wanted, info.name, '.') &&
                    !(info.name == "INBOX" && list_matches(to_upper(*wanted), "INBOX", '.'))))
      continue;
    if (options.only_special && info.use == store::SpecialUse::none) continue;
    // A subscription to what is gone is LSUB's alone (RFC 3501 section 6.3.9).
    if (!info.is_selectable && !info.has_children) continue;
    std::string attributes = info.has_children ? "\\HasChildren" : "\\HasNoChildren";
    if (!info.is_selectable) attributes += " \\Noselect";
    if (options.tells_subscribed && info.is_subscribed) attributes += " \\Subscribed";
    if (info.use != store::SpecialUse::none)
      attributes += " " + std::string(store::to_string(info.use));
    out_ += fmt::format("* LIST ({}) \"{}\" {}\r\n", attributes, services_.config.imap.separator,
                        format_mailbox(other_separator(info.name)));
  }
  co_return ok("List completed");
}

net::Awaitable<Outcome> Session::lsub(Parser& parser) {
  std::optional<std::string> reference, pattern;
  if (parser.take_space()) reference = parser.astring();
  if (reference && parser.take_space()) pattern = parser.list_mailbox();
  if (!pattern || !parser.at_end()) co_return bad("LSUB needs a reference and a pattern");
  auto wanted = message::decode_mutf7(*reference + *pattern);
  if (wanted) wanted = other_separator(*std::move(wanted));
  const auto mailboxes = co_await account_->list();
  if (!mailboxes) co_return failed(mailboxes.error());
  std::map<std::string_view, bool> found;  // may it be selected
  for (const store::MailboxInfo& info : *mailboxes) {
    if (!info.is_subscribed || !wanted) continue;
    if (list_matches(*wanted, info.name, '.'))
      found.insert_or_assign(info.name, info.is_selectable);
    // RFC 3501 section 6.3.9: with %, a level above a subscribed name that is not subscribed itself.
    if (!wanted->ends_with('%')) continue;
    for (std::string_view above = store::parent_of(info.name); !above.empty();
         above = store::parent_of(above))
      if (list_matches(*wanted, above, '.')) found.try_emplace(above, false);
  }
  for (const auto& [name, is_selectable] : found)
    out_ += fmt::format("* LSUB ({}) \"{}\" {}\r\n", is_selectable ? "" : "\\Noselect",
                        services_.config.imap.separator,
                        format_mailbox(other_separator(std::string(name))));
  co_return ok("Lsub completed");
}

net::Awaitable<Outcome> Session::status(Parser& parser) {
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  if (!name || !parser.take_space() || !parser.take_open())
    co_return bad("STATUS needs a mailbox name and items");
  std::vector<std::string> items;
  do {
    const auto item = parser.atom();
    if (!item) co_return bad("STATUS needs items");
    items.push_back(to_upper(*item));
  } while (parser.take_next());
  if (!parser.take_close() || !parser.at_end()) co_return bad("STATUS needs items");
  co_return co_await tell_status(*name, items);
}

net::Awaitable<Outcome> Session::tell_status(std::string mailbox, std::vector<std::string> items) {
  const auto status = co_await account_->status(mailbox);
  if (!status) co_return failed(status.error());
  if (!*status) co_return no("There is no such mailbox", "NONEXISTENT");
  std::string values;
  for (const std::string& item : items) {
    std::uint64_t value = 0;
    if (item == "MESSAGES")
      value = (*status)->messages;
    else if (item == "RECENT")
      value = (*status)->recent;
    else if (item == "UIDNEXT")
      value = (*status)->uidnext;
    else if (item == "UIDVALIDITY")
      value = (*status)->uidvalidity;
    else if (item == "UNSEEN")
      value = (*status)->unseen;
    else if (item == "SIZE")
      value = (*status)->size;
    else if (item == "DELETED")  // RFC 9208 section 4.1.4
      value = (*status)->deleted;
    else if (item == "DELETED-STORAGE")
      value = (*status)->deleted_size;
    else
      co_return bad("Unknown status item");
    values += fmt::format("{}{} {}", values.empty() ? "" : " ", item, value);
  }
  out_ += fmt::format("* STATUS {} ({})\r\n", format_mailbox(other_separator(mailbox)), values);
  co_return ok("Status completed");
}

net::Awaitable<Outcome> Session::close(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  if (view_->access() == store::Access::read_write) {
    const auto expunged = co_await view_->mailbox().expunge();
    if (!expunged) co_return failed(expunged.error());
  }
  view_.reset();
  co_return ok("Close completed");
}

net::Awaitable<Outcome> Session::unselect(Parser& parser) {
  if (!parser.at_end()) co_return bad("No argument is allowed");
  view_.reset();
  co_return ok("Unselect completed");
}

}  // namespace posthorn::imap
