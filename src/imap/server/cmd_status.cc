// STATUS: what a mailbox holds that need not be open. RFC 3501 section 6.3.10, RFC 8438 (SIZE),
// RFC 9208 (DELETED, DELETED-STORAGE), RFC 8474 (MAILBOXID).
#include "base/ascii.h"
#include "imap/server/commands.h"

namespace posthorn::imap {
namespace {

std::optional<std::uint64_t> value_of(const store::MailboxStatus& status, std::string_view item) {
  if (item == "MESSAGES") return status.messages;
  if (item == "RECENT") return status.recent;
  if (item == "UIDNEXT") return status.uidnext;
  if (item == "UIDVALIDITY") return status.uidvalidity;
  if (item == "UNSEEN") return status.unseen;
  if (item == "SIZE") return status.size;
  // RFC 9208 section 4.1.4.
  if (item == "DELETED") return status.deleted;
  if (item == "DELETED-STORAGE") return status.deleted_size;
  return std::nullopt;
}

}  // namespace

net::Task<Outcome> status(Parser& parser, Responses& responses, const User& user) {
  std::optional<std::string> name;
  if (parser.take_space()) name = user.names().take(parser);
  if (!name || !parser.take_space() || !parser.take_open())
    co_return bad("STATUS needs a mailbox name and items");
  std::vector<std::string> items;
  do {
    const auto item = parser.atom();
    if (!item) co_return bad("STATUS needs items");
    items.push_back(to_upper(*item));
  } while (parser.take_next());
  if (!parser.take_close() || !parser.at_end()) co_return bad("STATUS needs items");
  CO_TRY(const auto found, co_await user.account->status(*name));
  if (!found) co_return no("There is no such mailbox", "NONEXISTENT");
  std::string values;
  for (const std::string& item : items) {
    if (item == "MAILBOXID") {
      if (found->mailbox_id.empty()) co_return no("It has no id that lasts yet", "UNAVAILABLE");
      values += fmt::format("{}{} ({})", values.empty() ? "" : " ", item, found->mailbox_id);
      continue;
    }
    const auto value = value_of(*found, item);
    if (!value) co_return bad("Unknown status item");
    values += fmt::format("{}{} {}", values.empty() ? "" : " ", item, *value);
  }
  responses.say("STATUS {} ({})", user.names().format(*name), values);
  co_return ok("Status completed");
}

}  // namespace posthorn::imap
