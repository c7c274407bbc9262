// What the queue and the store did with a mail, in sentences.
#include "trail/sentences.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"

namespace posthorn::trail {
namespace {

constexpr std::size_t kRulesMax = 15;

// "BAYES_50=0.8,HTML_MESSAGE=0.0,+7" as "BAYES_50 0.8, HTML_MESSAGE 0.0 and 7 more"
std::string rules_of(const Words& words) {
  std::string out;
  std::string_view rest = words.get("tests");
  std::size_t count = 0, unnamed = 0;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (rest.starts_with('+')) {
      unnamed = to_number<std::size_t>(rest.substr(1)).value_or(0);
      break;
    }
    std::string rule(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    std::ranges::replace(rule, '=', ' ');
    if (count < kRulesMax) out += (count == 0 ? "" : ", ") + clean_text(rule, 80);
    ++count;
  }
  unnamed += count - std::min(count, kRulesMax);
  return unnamed > 0 ? fmt::format("{} and {} more", out, unnamed) : out;
}

// As filter/verdict.h names the reasons.
std::string_view why_skipped(std::string_view reason) {
  if (reason == "off") return "filter.spamd names none";
  if (reason == "user") return "a user of this server sent it";
  if (reason == "program") return "a program of this machine sent it";
  if (reason == "notice") return "it is a notice of the server's own";
  if (reason == "sent-on") return "it was scanned when it came, and is sent on";
  return "the queue does not say why";
}

std::string scanned(const Words& words) {
  const std::string_view spam = words.get("spam");
  if (spam == "skipped")
    return fmt::format("The spam filter was not asked: {}", why_skipped(words.get("reason")));
  if (spam == "unscanned")
    return fmt::format("The spam filter did not look at it{}{}", words.with(": ", "reason"),
                       words.quoted(" (", "error", ")"));
  const std::string rules = rules_of(words);
  const std::string points = words.has("score")
                                 ? fmt::format("gave {}{} points: ", words.name("score", ""),
                                               words.with(" of ", "required"))
                                 : "says: ";
  return fmt::format("The spam filter {}{}{}", points,
                     spam == "yes"  ? "spam"
                     : spam == "no" ? "no spam"
                                    : "it does not say whether it is spam",
                     rules.empty() ? "" : " (" + rules + ")");
}

// A place in the queue's own words: "local", "mx.far.test[192.0.2.7]:25", "mx:far.test" where none
// of its hosts was reached.
std::string host_of(const Words& words, std::string_view without) {
  const std::string_view relay = words.get("relay");
  if (is_store(relay)) return "The store";
  if (relay.starts_with("mx:")) return "The hosts of " + clean_name(relay.substr(3));
  if (relay.starts_with("relay:")) return "The relay " + clean_name(relay.substr(6));
  return relay.empty() ? std::string(without) : clean_name(relay);
}

std::string attempt_of(const Words& words) {
  return words.has("attempt") ? fmt::format("Attempt {}: ", words.name("attempt", "")) : "";
}

std::string delivered(const Words& words) {
  return fmt::format("{}{} took it for {}{}{}", attempt_of(words),
                     host_of(words, "The next server"), words.names("to", "a recipient"),
                     words.with(" over ", "tls"), words.quoted(": ", "reply"));
}

std::string deferred(const Words& words) {
  const std::string host = host_of(words, "");
  const std::string next =
      words.has("next") ? "; the next attempt is at " + words.time("next") : std::string();
  if (host.empty())
    return fmt::format("{}It could not be sent to {} now{}{}", attempt_of(words),
                       words.names("to", "a recipient"), words.quoted(": ", "reply"), next);
  return fmt::format("{}{} put {} off{}{}{}", attempt_of(words), host,
                     words.names("to", "a recipient"), words.with(" over ", "tls"),
                     words.quoted(": ", "reply"), next);
}

std::string passed_on(const Words& words) {
  return fmt::format("{} did not take it for {}{}; the next host was asked",
                     host_of(words, "A host"), words.names("to", "a recipient"),
                     words.quoted(": ", "reply"));
}

std::string failed(const Words& words) {
  return fmt::format("{}{} refused {} for good{}{}", attempt_of(words), host_of(words, "The queue"),
                     words.names("to", "a recipient"), words.with(" over ", "tls"),
                     words.quoted(": ", "reply"));
}

std::string script_of(const Words& words) {
  const bool has_line = words.has("line") && words.get("line") != "0";
  return fmt::format("script {}{}", quote_text(words.get("script")),
                     has_line ? words.with(" line ", "line") : "");
}

// Of whose mail: the store says account= or to=.
std::string owner_of(const Words& words) {
  return words.name(words.has("account") ? "account" : "to", "the user");
}

// "alice's script "rules" line 3 sent it on", or without a script "Sieve sent it on".
std::string sieve(const Words& words) {
  return words.has("script") ? fmt::format("Sieve: {}'s {}", owner_of(words), script_of(words))
                             : fmt::format("Sieve: a script for {}", owner_of(words));
}

std::string filed(const Words& words) {
  return fmt::format(
      "It lies in {} of {}{}{}{}{}", words.name("mailbox", "a mailbox"), owner_of(words),
      words.with(", UID ", "uid"), words.with(", file ", "file"),
      words.has("script") ? ": Sieve, " + script_of(words) : "",
      words.has("reason") ? fmt::format(" ({})", clean_text(words.get("reason"))) : "");
}

std::string reason_of(const Words& words) {
  return words.quoted(": ", words.has("reason") ? "reason" : "error");
}

constexpr Sentence kSentences[] = {
    {event::queue_scanned.name, scanned},
    {event::queue_scan_failed.name,
     [](const Words& words) {
       return fmt::format("spamd could not be asked{}{}", words.with(", try ", "try"),
                          reason_of(words));
     },
     Weight::detail, Repeats::yes},
    {event::queue_discarded.name,
     [](const Words& words) {
       return fmt::format("It was thrown away as spam{}, as filter.discard_score says",
                          words.with(" of ", "score", " points"));
     },
     Weight::end},
    {event::queue_found.name,
     [](const Words& words) {
       return fmt::format("At the start it lay in the queue, from {} to {}{}", words.sender("from"),
                          words.names("to", "its recipients"),
                          words.has("arrived") ? ", since " + words.time("arrived") : "");
     },
     Weight::detail, Repeats::yes},
    {event::queue_held.name,
     [](const Words&) { return std::string("It was held by command: nothing is tried"); },
     Weight::end},
    {event::queue_released.name,
     [](const Words&) { return std::string("It was released by command"); }},
    {event::queue_claim_refused.name,
     [](const Words& words) {
       return fmt::format(
           "A role handed it over as a user's, from {}, and could not prove it: "
           "the queue did not take it",
           words.sender("from"));
     },
     Weight::end},
    {event::queue_delivered.name, delivered, Weight::end},
    {event::queue_deferred.name, deferred, Weight::end, Repeats::yes},
    {event::queue_passed_on.name, passed_on, Weight::detail, Repeats::yes},
    {event::queue_waits.name,
     [](const Words& words) {
       return fmt::format("{} of its recipients wait{}", words.name("nrcpt", "Some"),
                          words.has("next") ? " until " + words.time("next") : "");
     },
     Weight::detail, Repeats::yes},
    {event::queue_expired.name,
     [](const Words& words) {
       return fmt::format("{} could not be reached{}, and it was given up{}",
                          words.name("to", "A recipient"), words.span(" for ", "age"),
                          words.quoted(": ", "reply"));
     },
     Weight::end},
    {event::queue_failed.name, failed, Weight::end},
    {event::queue_bounced.name,
     [](const Words& words) {
       return fmt::format("Its sender, {}, is told that it was not delivered{}",
                          words.name("to", "who is named in it"), words.child());
     },
     Weight::end},
    {event::queue_bounce_redirected.name,
     [](const Words& words) {
       return fmt::format("Nobody has the address {}: {} is told in its place",
                          words.name("from", "it was sent from"), words.name("to", "another"));
     }},
    {event::queue_warned.name,
     [](const Words& words) {
       return fmt::format("Its sender, {}, is told that it is late{}",
                          words.name("to", "who is named in it"), words.child());
     }},
    {event::queue_confirmed.name,
     [](const Words& words) {
       return fmt::format("Its sender, {}, asked to be told of a delivery, and is{}",
                          words.name("to", "who is named in it"), words.child());
     }},
    {event::queue_bounce_dropped.name,
     [](const Words& words) {
       return fmt::format("It has no sender to be told that {} did not get it{}",
                          words.name("to", "a recipient"), reason_of(words));
     },
     Weight::end},
    {event::queue_removed.name,
     [](const Words& words) {
       return "All is done, and it left the queue" + words.span(" after ", "ms");
     }},
    {event::queue_deleted.name,
     [](const Words&) { return std::string("It was deleted from the queue by command"); },
     Weight::end},
    {event::queue_corrupt.name,
     [](const Words& words) {
       return fmt::format("Its file in the queue could not be read{}{}", reason_of(words),
                          words.with("; it lies in ", "file"));
     },
     Weight::end},
    {event::queue_log_damaged.name,
     [](const Words&) {
       return std::string("The end of its log in the queue was torn: a recipient may get it twice");
     }},
    {event::queue_disk_failed.name,
     [](const Words& words) {
       return "The queue's disk could not be used, and it waits" + reason_of(words);
     },
     Weight::detail, Repeats::yes},
    {event::relay_login_refused.name,
     [](const Words& words) {
       return fmt::format("{} refused our login{}: mend maps/relay-sasl",
                          host_of(words, "The relay"), words.quoted(" with ", "reason"));
     },
     Weight::detail, Repeats::yes},
    {event::dkim_signed.name,
     [](const Words& words) {
       return fmt::format("It is signed for {}{}", words.name("domain", "its domain"),
                          words.with(" with the keys ", "selectors"));
     },
     Weight::detail, Repeats::yes},
    {event::dkim_failed.name,
     [](const Words& words) {
       return fmt::format("It could not be signed for {}{}", words.name("domain", "its domain"),
                          reason_of(words));
     },
     Weight::detail, Repeats::yes},
    {event::srs_rewritten.name,
     [](const Words& words) {
       return fmt::format("It leaves with the sender {} instead of {}", words.name("as", "<>"),
                          words.sender("from"));
     },
     Weight::detail, Repeats::yes},
    {event::store_delivered.name, filed, Weight::end},
    {event::store_discarded.name,
     [](const Words& words) {
       return fmt::format("{} threw it away{}", sieve(words), reason_of(words));
     },
     Weight::end},
    {event::sieve_redirected.name,
     [](const Words& words) {
       return fmt::format("{} sent it on to {}{}", sieve(words), words.name("rcpt", "an address"),
                          words.child());
     }},
    {event::sieve_rejected.name,
     [](const Words& words) {
       return fmt::format("{} refused it{}", sieve(words), words.quoted(": ", "text"));
     },
     Weight::end},
    {event::store_refused.name,
     [](const Words& words) {
       return fmt::format("The mailbox of {} did not take it{}", owner_of(words), reason_of(words));
     },
     Weight::end},
    {event::sieve_filed.name,
     [](const Words& words) {
       return fmt::format("{} filed a copy in {}, because of what a client did", sieve(words),
                          words.name("mailbox", "a mailbox"));
     }},
    {event::sieve_duplicate.name,
     [](const Words& words) { return fmt::format("{} has seen it before", sieve(words)); }},
    {event::sieve_answered.name,
     [](const Words& words) {
       return fmt::format("Vacation of {} answered {}{}{}", owner_of(words),
                          words.name("rcpt", "its sender"), words.child(),
                          words.has("script") ? ": " + script_of(words) : "");
     }},
    {event::sieve_unanswered.name,
     [](const Words& words) {
       return fmt::format("Vacation of {} did not answer {}{}", owner_of(words),
                          words.name("rcpt", "its sender"), reason_of(words));
     }},
    {event::sieve_notified.name,
     [](const Words& words) {
       return fmt::format("{} told {}{}", sieve(words), words.name("rcpt", "somebody"),
                          words.child());
     }},
    {event::sieve_unnotified.name,
     [](const Words& words) {
       return fmt::format("{} did not tell {}{}", sieve(words), words.name("rcpt", "anybody"),
                          reason_of(words));
     }},
    {event::sieve_told.name,
     [](const Words& words) {
       return fmt::format("{} was told by a mail that the script went wrong{}", owner_of(words),
                          words.child());
     }},
    {event::sieve_failed.name,
     [](const Words& words) {
       return fmt::format("Sieve went wrong for {}{}{}{}", owner_of(words),
                          words.with(", filing into ", "mailbox"),
                          words.with(", sending on to ", "rcpt"), reason_of(words));
     },
     Weight::detail, Repeats::yes},
    {event::sieve_said.name,
     [](const Words& words) {
       return fmt::format("Sieve for {} says{}", owner_of(words), words.quoted(" ", "text"));
     }},
    {event::store_failed.name,
     [](const Words& words) {
       return fmt::format("The mailbox of {} could not be used{}", owner_of(words),
                          reason_of(words));
     },
     Weight::detail, Repeats::yes},
    {event::quota_refused.name,
     [](const Words& words) {
       return fmt::format("It did not fit into what {} may hold{}", owner_of(words),
                          words.with(", brought by ", "by"));
     },
     Weight::end, Repeats::yes},
};

}  // namespace

// "local", and, where the store was not reached, the destination's key, "local:alice@example.org".
// A host has its address behind its name: "localhost[127.0.0.1]:25".
bool is_store(std::string_view relay) {
  return relay == "local" || relay.starts_with("local:");
}

std::span<const Sentence> delivery_sentences() {
  return kSentences;
}

const Sentence* find_sentence(std::string_view event) {
  for (const auto sentences : {arrival_sentences(), delivery_sentences()}) {
    const auto* found = std::ranges::find(sentences, event, &Sentence::event).base();
    if (found != sentences.data() + sentences.size()) return found;
  }
  return nullptr;
}

}  // namespace posthorn::trail
