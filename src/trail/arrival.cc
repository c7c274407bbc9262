// How a mail came, or was refused, in sentences: connections, logins, SMTP, the ways of addresses.
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "trail/sentences.h"

namespace posthorn::trail {
namespace {

// What edge says is its own word until the queue says the same.
std::string brought(const Words& words) {
  std::string how = words.with(" on port ", "port") + words.with(" with ", "tls");
  if (words.is_told("tls") && !words.has("tls")) how += " without TLS";
  if (words.has("account"))
    how += words.with(", logged in as ", "account") + words.with(" by ", "login");
  else if (words.is_told("tls"))
    how += ", not logged in";
  return fmt::format("{} brought it{}, as {}", words.client(), how, words.sender("from"));
}

// Who sent it, as the queue has it proved (message/envelope.h).
std::string accepted(const Words& words) {
  const std::string_view by = words.get("sent_by");
  const std::string at = words.with(" at ", "client");
  std::string whose = words.has("client") ? " from " + words.client() : "";
  if (by == "stranger") whose = " from a stranger" + at;
  if (by == "user") whose = fmt::format(" from the user {}{}", words.name("account", "?"), at);
  if (by == "program")
    whose = fmt::format(" from a program of {}", words.name("account", "this machine"));
  if (by == "trusted-network") whose = fmt::format(" from {}, a trusted client", words.client());
  if (by == "notice") whose = ", a notice of our own";
  if (by == "sent-on") whose = ", what a script sends on";
  return fmt::format("The queue took it{}{}", whose, words.with(" (", "size", " bytes)"));
}

// The entries of tables, "maps/aliases:7,pgsql aliases row 12".
std::string ways_of(const Words& words) {
  if (!words.has("by")) return "";
  const std::string ways = clean_text(words.get("by"));
  if (ways.find_first_of("()\"") != ways.npos) return fmt::format(" ({})", quote_text(ways));
  std::string out;
  for (const char c : ways) out += c == ',' ? std::string(", ") : std::string(1, c);
  return fmt::format(" ({})", out);
}

std::string led(const Words& words) {
  const std::string rcpt = words.name("rcpt", "The recipient");
  const std::string by = ways_of(words);
  if (!words.has("to") || equals_ignoring_case(words.get("rcpt"), words.get("to")))
    return fmt::format("{} may be written to{}", rcpt, by);
  return fmt::format("{} leads to {}{}", rcpt, words.names("to", ""), by);
}

// RFC 3463: what our own refusals mean.
std::string_view meaning_of(std::string_view status) {
  if (status == "5.1.1" || status == "5.1.10") return "nobody has this address";
  if (status == "5.7.1") return "it is not ours, and this client may not send on through us";
  if (status == "4.2.2" || status == "5.2.2" || status == "4.2.1") return "the mailbox is full";
  if (status == "5.1.3") return "it is no address";
  return "";
}

std::string answer_of(const Words& words) {
  std::string out = words.with(" with ", "reply") + words.with(" ", "status");
  return out + words.quoted(": ", words.has("reason") ? "reason" : "error");
}

std::string rcpt_refused(const Words& words) {
  const std::string_view meaning = meaning_of(words.get("status"));
  const std::string who =
      words.has("client") || words.has("address") ? words.client() + " may not" : "Nobody may";
  return fmt::format("{} write to {}{}{}: refused{}", who, words.name("rcpt", "a recipient"),
                     words.with(" from ", "from"),
                     meaning.empty() ? "" : fmt::format(", {}", meaning), answer_of(words));
}

std::string client_behind(std::string_view before, const Words& words) {
  return words.has("client") || words.has("address") ? std::string(before) + words.client() : "";
}

constexpr Sentence kSentences[] = {
    {event::connection_refused.name,
     [](const Words& words) {
       return fmt::format("{} was turned away{}{}", words.client(), words.with(" at ", "name"),
                          words.with(": limit ", "bound", " was reached"));
     },
     Weight::end, Repeats::yes},
    {event::tls_failed.name,
     [](const Words& words) {
       return fmt::format("The TLS handshake with {} failed{}", words.client(),
                          words.quoted(": ", "error"));
     },
     Weight::detail, Repeats::yes},
    {event::smtp_mail_refused.name,
     [](const Words& words) {
       return fmt::format("{}{} may not send as {}: refused{}", words.name("account", "The client"),
                          client_behind(" at ", words), words.sender("from"), answer_of(words));
     },
     Weight::end},
    {event::smtp_rcpt_accepted.name, led},
    {event::smtp_rcpt_refused.name, rcpt_refused, Weight::end},
    {event::smtp_accepted.name, brought},
    {event::smtp_refused.name,
     [](const Words& words) {
       return fmt::format("The message{} from {} to {}{} was refused{}",
                          client_behind(" of ", words), words.sender("from"),
                          words.names("to", "its recipients"), words.with(", ", "size", " bytes,"),
                          answer_of(words));
     },
     Weight::end},
    {event::smtp_rate_refused.name,
     [](const Words& words) {
       return fmt::format(
           "{} has sent as much as one account may: {} has to wait; if that is not the user's "
           "doing, the password is stolen",
           words.name("account", "The account"),
           words.has("from") ? "the mail from " + words.name("from", "") : "the mail");
     },
     Weight::end, Repeats::yes},
    {event::smtp_lookup_failed.name,
     [](const Words& words) {
       return fmt::format(
           "A table or login could not be asked{}{}, and the client was told to try "
           "later{}",
           words.with(" of ", "rcpt"), words.with(" of ", "from"), words.quoted(": ", "reason"));
     },
     Weight::end, Repeats::yes},
    {event::smtp_unauthorised_pipelining.name,
     [](const Words& words) {
       return fmt::format("{} sent ahead of our reply{}, as bots do: the session was ended",
                          words.client(), words.with(" after ", "after"));
     }},
    {event::route_target_gone.name,
     [](const Words& words) {
       return fmt::format("The alias {} leads to {}, which nobody has",
                          words.name("alias", "of a recipient"),
                          words.name("target", "an address"));
     },
     Weight::detail, Repeats::yes},
    {event::auth_succeeded.name,
     [](const Words& words) {
       return fmt::format("{} logged in{}{}{}", words.name("account", "A user"),
                          words.with(" for ", "service"), words.with(" by ", "mechanism"),
                          client_behind(" from ", words));
     }},
    {event::auth_failed.name,
     [](const Words& words) {
       return fmt::format("The login{}{} from {} was refused{}",
                          words.with(" of ", words.has("user") ? "user" : "account"),
                          words.with(" for ", "service"), words.client(),
                          words.quoted(": ", "reason"));
     },
     Weight::end},
    {event::auth_banned.name,
     [](const Words& words) {
       return fmt::format(
           "{} may not log in{}{}", words.client(), words.with(" for ", "seconds", " s"),
           words.get("reason") == "command" ? ", by command" : ": too many wrong passwords");
     },
     Weight::end},
    {event::auth_unbanned.name,
     [](const Words& words) { return words.client() + " may log in again, by command"; }},
    {event::srs_reversed.name,
     [](const Words& words) {
       return fmt::format("{} is a sender that we rewrote: it goes to {}",
                          words.name("rcpt", "The recipient"), words.names("to", "whom it was"));
     }},
    {event::queue_accepted.name, accepted},
};

}  // namespace

std::span<const Sentence> arrival_sentences() {
  return kSentences;
}

}  // namespace posthorn::trail
