// What actions send: answers, notifications, reports and refusals, composed by the code of the
// server and put into the host's memory instead of the queue.
#include <algorithm>
#include <chrono>

#include "base/ascii.h"
#include "lda/answer_rules.h"
#include "lda/notification.h"
#include "lda/vacation.h"
#include "message/dsn.h"
#include "message/headers.h"
#include "sieve/extensions/addresses.h"
#include "suite_host.h"

namespace posthorn::sieve::suite {
namespace {

constexpr std::string_view kHostname = "host.example.org";
constexpr std::string_view kRecipientFields[] = {"To",        "Cc",        "Bcc",
                                                 "Resent-To", "Resent-Cc", "Resent-Bcc"};

WallTime now() {
  return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

bool is_one_of(const std::vector<std::string>& addresses, std::string_view address) {
  return std::ranges::any_of(
      addresses, [&](const std::string& one) { return equals_ignoring_case(one, address); });
}

// Empty: to none of them.
std::string find_written_to(const message::Headers& headers, const std::vector<std::string>& own) {
  for (const std::string_view field : kRecipientFields)
    for (const std::string& value : headers.find_all(field))
      for (const AddressText& parts : addresses_of(value)) {
        std::string address = parts.local_part + "@" + parts.domain.value_or("");
        if (is_one_of(own, address)) return address;
      }
  return {};
}

}  // namespace

void Host::answer(const Vacation& vacation) {
  const message::Headers headers(mail_.header);
  std::vector<std::string> own = vacation.addresses;
  own.push_back(settings_.user_email);
  own.push_back(mail_.recipient);
  if (host_settings_.uses_first_recipient) own.push_back(mail_.first_recipient);
  if (lda::find_reason_for_silence(headers, mail_.sender) || is_one_of(own, mail_.sender)) return;
  const std::string written_to = find_written_to(headers, own);
  if (host_settings_.checks_recipient && written_to.empty()) return;
  // As lda/vacation.h chooses: what the script says, the address that was written to, the account.
  std::string from = vacation.from.empty() ? written_to : vacation.from;
  if (from.empty()) from = address_by("user_email");
  const std::string text = lda::make_vacation({.vacation = vacation,
                                               .headers = headers,
                                               .from = from,
                                               .to = mail_.sender,
                                               .hostname = std::string(kHostname),
                                               .now = now()});
  sent_.push_back({host_settings_.answers_from_recipient ? mail_.recipient : std::string(),
                   mail_.sender, text});
  if (vacation.fcc) (void)store(*vacation.fcc, text);
}

void Host::notify(const Notify& notify) {
  const message::Headers headers(mail_.header);
  const auto mailto = message::parse_mailto(notify.method);
  if (!mailto || lda::is_auto_submitted(headers)) return;
  const std::string from = notify.from.empty() ? address_by("user_email") : notify.from;
  const std::string text = lda::make_notification({.notify = notify,
                                                   .mailto = *mailto,
                                                   .headers = headers,
                                                   .from = from,
                                                   .owner = settings_.user_email,
                                                   .hostname = std::string(kHostname),
                                                   .now = now()});
  // RFC 5436 section 2.3: of what the null sender brought about the sender is the null sender.
  std::string sender;
  if (!host_settings_.notify_from.empty())
    sender = address_by(host_settings_.notify_from);
  else if (!notify.from.empty() && !mail_.sender.empty())
    sender = bare_address(notify.from).value_or("");
  for (const auto* recipients : {&mailto->to, &mailto->cc, &mailto->bcc})
    for (const std::string& recipient : *recipients) sent_.push_back({sender, recipient, text});
  if (notify.fcc) (void)store(*notify.fcc, text);
}

void Host::report(const Report& report) {
  message::Envelope envelope;
  envelope.sender = mail_.sender;
  const std::string from = address_by(host_settings_.report_from);
  const bool is_whole = report.what == Report::What::message;
  sent_.push_back({from, report.address,
                   lda::make_report({.report = report,
                                     .envelope = envelope,
                                     .header = mail_.header,
                                     .message = is_whole ? std::string_view(wire_) : "",
                                     .from = from,
                                     .hostname = std::string(kHostname),
                                     .now = now()})});
}

// RFC 5429 section 2.1: the message is refused over LMTP, and the queue tells the sender, if there is
// one.
void Host::refuse(const Reject& reject) {
  if (mail_.sender.empty()) return;
  message::Dsn dsn;
  dsn.hostname = kHostname;
  dsn.envelope.sender = mail_.sender;
  dsn.arrived = dsn.now = now();
  message::DsnRecipient recipient;
  recipient.recipient.address = mail_.recipient;
  recipient.status = "5.7.1";
  recipient.diagnostic = "550 5.7.1 " + reject.reason;
  recipient.remote = dsn.hostname;
  recipient.reason = reject.reason;
  dsn.recipients.push_back(std::move(recipient));
  dsn.returned = mail_.header;
  sent_.push_back({"", mail_.sender, message::make_dsn(dsn)});
}

}  // namespace posthorn::sieve::suite
