// Whom the old server let in and kept out (SMTPD_ACCESS_README). What has no counterpart here is
// not let in: the tables of this server take mail for its own recipients and for who has logged in,
// and for nobody else.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "net/networks.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

constexpr const char* kLists[] = {"smtpd_relay_restrictions",  "smtpd_recipient_restrictions",
                                  "smtpd_client_restrictions", "smtpd_helo_restrictions",
                                  "smtpd_sender_restrictions", "smtpd_data_restrictions",
                                  "smtpd_etrn_restrictions",   "smtpd_end_of_data_restrictions"};

struct Rule {
  std::string_view begin;  // of the word
  Fate fate;
  std::string_view text;
};
constexpr Rule kRules[] = {
    {"permit_sasl_authenticated", Fate::already_so, "who has logged in may send, at 587 and 465"},
    {"reject_unauth_destination", Fate::already_so, "nobody relays without a login"},
    {"defer_unauth_destination", Fate::already_so, "nobody relays without a login"},
    {"reject_unauth_pipelining", Fate::already_so, "smtp.forbid_unauthorised_pipelining"},
    {"reject_unlisted_recipient", Fate::already_so, "who has no line in the tables is refused"},
    {"reject_unlisted_sender", Fate::already_so, "submission.check_sender"},
    {"reject_unverified", Fate::not_possible,
     "no other server is asked whether an address exists; name the addresses in the tables"},
    {"reject_sender_login_mismatch", Fate::already_so, "submission.check_sender"},
    {"reject_authenticated_sender_login_mismatch", Fate::already_so, "submission.check_sender"},
    {"reject_known_sender_login_mismatch", Fate::already_so, "submission.check_sender"},
    {"reject_non_fqdn", Fate::already_so, "an address without a whole domain is refused"},
    {"reject_invalid", Fate::already_so, "what is no name is refused"},
    {"reject_plaintext_session", Fate::already_so, "submission.require_tls"},
    {"reject_unknown", Fate::not_possible,
     "names are not looked up in the DNS before mail is taken; spamd weighs them"},
    {"reject_rbl_client", Fate::not_possible,
     "lists of addresses are asked by spamd, which weighs "
     "them (filter.spamd)"},
    {"reject_rhsbl", Fate::not_possible,
     "lists of domains are asked by spamd, which weighs them (filter.spamd)"},
    {"permit_dnswl", Fate::not_possible, "spamd asks such lists"},
    {"permit_rhswl", Fate::not_possible, "spamd asks such lists"},
    {"check_policy_service", Fate::not_possible,
     "no other program is asked: greylisting and SPF are weighed by spamd, quotas are checked "
     "here"},
    {"check_recipient_access", Fate::not_possible, "see its lines"},
    {"check_", Fate::not_possible,
     "what it refused is taken as far as the recipient exists, and weighed by spamd; what it let "
     "in "
     "is not let in for that"},
    {"permit_mx_backup", Fate::not_possible, "no mail is taken for other servers"},
    {"permit_tls", Fate::not_possible, "certificates of clients let nobody in; make logins"},
    {"permit_auth_destination", Fate::already_so, "mail for our own recipients is taken"},
    {"permit_inet_interfaces", Fate::not_needed, "programs of this machine send by sendmail"},
    {"permit_mynetworks", Fate::taken, "smtp.relay_from"},
    {"permit_naked_ip_address", Fate::not_needed, ""},
    {"permit", Fate::not_needed, "the last word of a list"},
    {"reject", Fate::not_needed, "the last word of a list"},
    {"defer", Fate::not_needed, ""},
    {"sleep", Fate::not_possible, "nobody is made to wait"},
    {"warn_if_reject", Fate::not_needed, "nothing was refused by it"},
};

bool takes_an_argument(std::string_view word) {
  return word.starts_with("check_") || word.starts_with("reject_rbl") ||
         word.starts_with("reject_rhsbl") || word.starts_with("permit_dnswl") ||
         word.starts_with("permit_rhswl") || word == "sleep" ||
         word.find(":/") != std::string_view::npos;
}

// Addresses that were closed to strangers stay closed: nobody's line leads to them.
void close_recipients(PostfixMapping& m, const std::string& list, const std::string& tables) {
  for (const TableSpec& spec : parse_tables(tables)) {
    const OldTable table = read_table(spec);
    std::string unknown = table.why;
    if (table.kind == OldTable::Kind::patterns) {
      const auto syntax =
          spec.type == "pcre" ? maps::RegexpTable::Syntax::perl : maps::RegexpTable::Syntax::posix;
      if (auto parsed = maps::RegexpTable::parse(table.text, spec.name, syntax)) {
        m.access_patterns.push_back(*std::move(parsed));
        m.tell_at(spec.name, 0, list, spec.text(), Fate::taken,
                  "an address that a pattern refuses gets no line in the tables");
        continue;
      } else {
        unknown = parsed.error().what;
      }
    } else if (table.kind == OldTable::Kind::one) {
      if (!closes(table.value)) continue;
      unknown = "it refuses every recipient";
    } else if (table.kind == OldTable::Kind::pgsql) {
      unknown = "a database is not asked whether a recipient is closed";
    }
    if (table.kind != OldTable::Kind::lines) {
      m.close_to_strangers(spec.text());
      m.tell_at(m.files().main.file, 0, list, "check_recipient_access " + spec.text(),
                Fate::not_possible,
                fmt::format("{}. What it kept out is not known, so port 25 takes mail with a login "
                            "only; take what it closed out of maps/, then smtp.require_auth = "
                            "false",
                            unknown));
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      const bool is_closed = closes(entry.value);
      const std::string source = fmt::format("{}:{}", spec.name, entry.line);
      m.access.insert({entry.key, {is_closed, source}});
      m.tell_at(spec.name, entry.line, entry.key, entry.value,
                is_closed ? Fate::not_possible : Fate::already_so,
                is_closed ? "closed to everybody, those of this house too; to open it, give it a "
                            "line in maps/mailboxes or maps/aliases and take it out of "
                            "maps/transport"
                          : "who has a line in the tables gets mail");
    }
  }
}

void tell_words(PostfixMapping& m, const std::string& list) {
  const std::vector<std::string> words = list_words(m.value(list));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "check_recipient_access" && i + 1 < words.size()) {
      close_recipients(m, list, words[++i]);
      continue;
    }
    const auto rule =
        std::ranges::find_if(kRules, [&](const Rule& one) { return word.starts_with(one.begin); });
    const bool has_argument = takes_an_argument(word) && i + 1 < words.size();
    const std::string whole = has_argument ? word + " " + words[i + 1] : word;
    if (rule == std::end(kRules))
      m.tell_at(m.files().main.file, 0, list, whole, Fate::not_possible,
                "not known here; nobody is let in by it");
    else if (rule->fate == Fate::not_possible)
      m.tell_at(m.files().main.file, 0, list, whole, rule->fate, std::string(rule->text));
    if (has_argument) ++i;
  }
}

// Of who is in mynetworks, as a list of restrictions goes: let in, kept out, or let in by a test
// that is not done here, so that nobody is sure of it.
enum class Way { in, out, guarded };
Way way_of_networks(const std::vector<std::string>& words) {
  bool is_guarded = false;
  for (const std::string& word : words) {
    if (word == "permit_mynetworks" || word == "permit") break;
    if (word == "reject" || word == "defer" || word.ends_with("_unauth_destination"))
      return Way::out;
    is_guarded = is_guarded || (word.starts_with("check_") && word != "check_recipient_access") ||
                 word.starts_with("reject_rbl") || word.starts_with("reject_rhsbl") ||
                 word.starts_with("reject_unknown_client") ||
                 word.starts_with("reject_unknown_reverse");
  }
  return is_guarded ? Way::guarded : Way::in;
}

// Whether a list keeps out whoever it has not let in before, for our own recipients, too.
bool ends_in_reject(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "warn_if_reject")
      ++i;
    else if (words[i] == "permit" || words[i] == "permit_auth_destination")
      return false;
    else if (words[i] == "reject" || words[i] == "defer")
      return true;
  }
  return false;
}

// Why nobody of mynetworks may send without a login here; empty: they may.
std::string why_networks_stay_out(const PostfixMapping& m) {
  if (m.has_several_entrances())
    return "several services at port 25 had rules of their own; smtp.relay_from holds for all";
  bool is_named = !m.has("smtpd_relay_restrictions");  // Postfix's default lets them in
  for (const char* list : kLists) {
    if (!m.has(list)) continue;
    const auto words = list_words(m.value(list));
    is_named = is_named || std::ranges::find(words, "permit_mynetworks") != words.end();
    const Way way = way_of_networks(words);
    if (way == Way::out) return fmt::format("{} keeps them out", list);
    if (way == Way::guarded)
      return fmt::format(
          "{} tried them by what is not tried here; if all of them may send, name "
          "them in smtp.relay_from",
          list);
  }
  return is_named ? "" : "no restriction lets them in";
}

void map_networks(PostfixMapping& m) {
  // Without a value of its own it is the machine itself, and that is so here (sendmail, loopback).
  if (!m.has("mynetworks")) {
    m.tell("mynetworks_style",
           m.value("mynetworks_style") == "host" ? Fate::already_so : Fate::not_possible,
           "networks that may send without a login are named: smtp.relay_from");
    return;
  }
  std::vector<std::string> networks;
  bool has_exceptions = false;
  for (std::string word : list_words(m.value("mynetworks"))) {
    has_exceptions = has_exceptions || word.starts_with('!');
    std::erase_if(word, [](char c) { return c == '[' || c == ']'; });
    if (word.starts_with("127.") || word.starts_with("::1") || word.starts_with("::ffff:127."))
      continue;
    if (net::Networks::parse({word}))
      networks.push_back(word);
    else
      m.tell_at(m.files().main.file, 0, "mynetworks", word, Fate::not_possible,
                "no network that can be read here, so nobody of it may send without a login");
  }
  if (has_exceptions)
    return m.tell("mynetworks", Fate::not_possible,
                  "some were taken out of others (!), which smtp.relay_from cannot say: none may "
                  "send without a login; name those that may");
  if (networks.empty())
    return m.tell("mynetworks", Fate::already_so,
                  "programs of this machine send by sendmail or submit.sock");
  if (const std::string why = why_networks_stay_out(m); !why.empty())
    return m.tell("mynetworks", Fate::not_possible,
                  why + ": they send with a login, or stand in smtp.relay_from");
  m.plan().set_list("smtp.relay_from", networks, m.source("mynetworks"));
  m.tell("mynetworks", Fate::taken, "smtp.relay_from");
}

// Where strangers were kept out of port 25 altogether, they stay out.
void close_the_door(PostfixMapping& m) {
  for (const char* list : kLists) {
    if (!m.has(list) || std::string_view(list) == "smtpd_etrn_restrictions" ||
        !ends_in_reject(list_words(m.value(list))))
      continue;
    m.close_to_strangers(m.source(list));
    m.tell(list, Fate::taken,
           "smtp.require_auth: it refuses whom it does not name, so port 25 takes mail with a "
           "login only");
  }
}

}  // namespace

bool closes(std::string_view action) {
  const std::string first = to_lower(action.substr(0, action.find_first_of(" \t")));
  if (first.starts_with('4') || first.starts_with('5')) return true;
  const bool is_number = !first.empty() && first.find_first_not_of("0123456789") == first.npos;
  // access(5): what goes on, and what only says or adds something.
  constexpr std::string_view kOpen[] = {"ok",   "permit", "dunno",  "prepend",
                                        "warn", "info",   "filter", "bcc"};
  return !is_number && std::ranges::find(kOpen, first) == std::end(kOpen);
}

void map_access(PostfixMapping& m) {
  for (const char* list : kLists)
    if (m.has(list)) tell_words(m, list);
  map_networks(m);
  close_the_door(m);
  for (const char* list : kLists)
    m.tell(list, Fate::already_so,
           "our own recipients, and senders with a login; what else it said has lines of its own");
  for (const auto& [name, setting] : m.files().main.settings)
    if (name == "smtpd_restriction_classes")
      for (const std::string& one : list_words(m.value(name)))
        m.tell(one, Fate::not_possible, "a class of restrictions: see the list that names it");
  m.tell("smtpd_restriction_classes", Fate::not_possible, "see the lists that name them");
  m.tell("smtpd_helo_required", Fate::already_so, "smtp.require_helo");
  m.tell("disable_vrfy_command", Fate::already_so, "VRFY tells nothing");
  m.tell("smtpd_delay_reject", Fate::already_so, "a refusal comes at RCPT TO");
  m.tell("strict_rfc821_envelopes", Fate::already_so, "addresses are read as RFC 5321 has them");
  m.tell("smtpd_reject_unlisted_sender", Fate::already_so, "submission.check_sender");
  m.tell("smtpd_reject_unlisted_recipient", Fate::already_so,
         "who has no line in the tables is refused");
}

}  // namespace posthorn::takeover
