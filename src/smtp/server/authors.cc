// Who a submitted message says it is from (RFC 5322 section 3.6.2): what stands in From is what
// people read, so a user who may not send as an address may not write as it either. With
// submission.check_from = "sender" such a message gets a Sender field that names its user, in
// place of one it brought; with "reject" it is refused. Could not ask means try again, as
// everywhere.
#include "message/address.h"
#include "message/idna.h"
#include "smtp/server/session_impl.h"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kAuthorsMax = 10;  // asked about; who needs more is told apart from them

std::string_view local_part(std::string_view address) {
  return address.substr(0, address.rfind('@'));
}

// The fields of a name, cut out of the text that begins with the block they are views into.
void remove_fields(const message::Headers& headers, std::string_view name, std::string& text) {
  const char* block = headers.fields().front().raw.data();
  const std::size_t begin = text.find(headers.fields().front().raw);
  if (begin == std::string::npos) return;
  for (std::size_t i = headers.fields().size(); i-- > 0;) {
    const message::Field& field = headers.fields()[i];
    if (!message::equals_ignoring_case(field.name, name)) continue;
    const std::size_t at = begin + static_cast<std::size_t>(field.raw.data() - block);
    if (text.compare(at, field.raw.size(), field.raw) == 0) text.erase(at, field.raw.size());
  }
}

}  // namespace

net::Task<bool> Session::has_foreign_author(const message::Headers& headers,
                                            std::string_view field) {
  std::size_t asked = 0;
  for (const std::string& value : headers.find_all(field)) {
    for (const message::Address& author : message::parse_addresses(value)) {
      if (!author.mailbox) continue;  // the end of a group
      if (!author.host || author.host->empty()) {
        // "root (Cron Daemon)": a bare name of this machine, or a group's. It is nobody else's
        // address only if it is the user's own name.
        if (!message::equals_ignoring_case(*author.mailbox, local_part(account_))) co_return true;
        continue;
      }
      if (++asked > kAuthorsMax) co_return true;
      const std::string address = message::format_mailbox_address(
          {.local = *author.mailbox,
           .domain = message::ascii_domain(*author.host).value_or(*author.host)});
      CO_TRY(const auto may, co_await services_.directory->sender({account_, address}));
      if (!may) co_return true;
    }
  }
  co_return false;
}

// The field to put on top of the message; empty: none.
net::Awaitable<std::string> Session::check_authors(const message::Headers& headers,
                                                   std::string& held) {
  const config::Submission& settings = settings_.submission;
  if (!is_submission() || account_.empty() || is_trusted_ || services_.directory == nullptr ||
      !settings.check_sender || settings.check_from == config::CheckFrom::off ||
      headers.fields().empty())
    co_return "";
  // RFC 5322 section 3.6.6: who sends a message on leaves From as it is and stands in Resent-From.
  const bool resent = is_resent(headers);
  const auto foreign = co_await has_foreign_author(headers, resent ? "Resent-From" : "From");
  if (!foreign) {
    log_.warn(event::smtp_lookup_failed, {{"reason", foreign.error().what}});
    refuse({MessageRefusal::Reason::try_later, kLookupFailed});
    co_return "";
  }
  const std::string_view sender = resent ? "Resent-Sender" : "Sender";
  if (*foreign && settings.check_from == config::CheckFrom::reject) {
    refuse({MessageRefusal::Reason::content,
            {550, "5.7.1", "From names an address that is not the sender's own"}});
    co_return "";
  }
  if (!*foreign) {
    // A Sender that is somebody else's says as much that is not true.
    const auto forged = co_await has_foreign_author(headers, sender);
    if (!forged) refuse({MessageRefusal::Reason::try_later, kLookupFailed});
    if (forged && *forged) remove_fields(headers, sender, held);
    co_return "";
  }
  remove_fields(headers, sender, held);
  co_return std::string(sender) + ": <" + account_ + ">\r\n";
}

}  // namespace posthorn::smtp
