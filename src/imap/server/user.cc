#include "imap/server/user.h"

#include "base/ascii.h"
#include "base/events.h"
#include "imap/proto/response.h"
#include "message/mutf7.h"

namespace posthorn::imap {

std::string MailboxNames::swap_separators(std::string name) const {
  if (settings_.separator != config::Separator::slash) return name;
  for (char& c : name)
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  return name;
}

std::optional<std::string> MailboxNames::take(Parser& parser) const {
  const auto raw = parser.astring();
  if (!raw) return std::nullopt;
  auto name = message::decode_mutf7(*raw);
  if (!name) return std::string("\x01");  // a name that cannot be: the store says CANNOT
  name = swap_separators(*std::move(name));
  if (name->size() > 1 && name->ends_with('.'))
    name->pop_back();  // RFC 3501 section 6.3.3: "the name may end with the separator"
  if (equals_ignoring_case(*name, "INBOX")) return "INBOX";
  return name;
}

std::optional<std::string> MailboxNames::pattern(const std::string& text) const {
  auto decoded = message::decode_mutf7(text);
  if (!decoded) return std::nullopt;
  return swap_separators(*std::move(decoded));
}

std::string MailboxNames::format(std::string name) const {
  return format_mailbox(swap_separators(std::move(name)));
}

void User::log_fault(const Error& error) const {
  log.error(event::imap_failed, {{"account", account->name()}, {"error", error.what}});
}

net::Awaitable<void> User::tell_observers(Happening happening) const {
  happening.account = account;
  for (Observer* const observer : services.observers) co_await observer->see(happening);
}

Outcome User::failed(const Error& error) const {
  log_fault(error);
  return no("It could not be done now; try again later", "UNAVAILABLE");
}

Outcome name_outcome(store::NameResult result, std::string_view missing) {
  switch (result) {
    case store::NameResult::done:
      return ok("Completed");
    case store::NameResult::not_found:
      return no("There is no such mailbox", std::string(missing));
    case store::NameResult::exists:
      return no("The mailbox is there already", "ALREADYEXISTS");
    case store::NameResult::bad_name:
      return no("No mailbox can have this name", "CANNOT");
    case store::NameResult::cannot:
      return no("This cannot be done with this mailbox", "CANNOT");
    case store::NameResult::keyword_limit:
      return no("Too many keywords", "LIMIT");
    case store::NameResult::over_quota:
      // RFC 9208 section 4.3.
      return no("The account's limit is reached", "OVERQUOTA");
    case store::NameResult::use_taken:
      // RFC 6154 section 3.
      return no("Another mailbox has this special use", "USEATTR");
  }
  return bad("?");
}

}  // namespace posthorn::imap
