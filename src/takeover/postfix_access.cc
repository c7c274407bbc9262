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
void close_recipients(PostfixMapping& m, const std::string& setting,
                      const std::string& table_text) {
  for (const TableSpec& spec : parse_tables(table_text)) {
    const OldTable table = read_table(spec);
    if (table.kind != OldTable::Kind::lines) {
      m.tell_at(m.files().main.file, 0, setting, spec.text(), Fate::not_possible,
                "what it refused is not known here: look whether a recipient of it has to go from "
                "the tables");
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      const std::string action = to_lower(entry.value.substr(0, entry.value.find(' ')));
      if (action == "ok" || action == "dunno" || action == "permit" || action.empty()) continue;
      const bool is_refusal = action == "reject" || action == "discard" || action == "hold" ||
                              action.starts_with('5') || action.starts_with('4') ||
                              action == "defer" || action == "defer_if_permit";
      if (entry.key.find('@') != std::string::npos) {
        m.closed[entry.key] = fmt::format("{}:{}", spec.name, entry.line);
        m.tell_at(spec.name, entry.line, entry.key, entry.value, Fate::not_possible,
                  is_refusal
                      ? "the address is closed to all: who is of this house writes to another"
                      : "the action has no counterpart, so the address is closed; open it by "
                        "a line in maps/aliases or maps/mailboxes");
      } else {
        m.tell_at(spec.name, entry.line, entry.key, entry.value, Fate::not_possible,
                  "of a domain or a name alone nothing is refused here; take it from the tables");
      }
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

void map_networks(PostfixMapping& m) {
  // Without a value of its own it is the machine itself, and that is so here (sendmail, loopback).
  if (!m.has("mynetworks")) {
    m.tell("mynetworks_style",
           m.value("mynetworks_style") == "host" ? Fate::already_so : Fate::not_possible,
           "networks that may send without a login are named: smtp.relay_from");
    return;
  }
  std::vector<std::string> networks, left_out;
  for (std::string word : list_words(m.value("mynetworks"))) {
    std::erase_if(word, [](char c) { return c == '[' || c == ']'; });
    if (word.starts_with("127.") || word.starts_with("::1") || word.starts_with("::ffff:127."))
      continue;
    if (net::Networks::parse({word}))
      networks.push_back(word);
    else
      left_out.push_back(word);
  }
  for (const std::string& word : left_out)
    m.tell_at(m.files().main.file, 0, "mynetworks", word, Fate::not_possible,
              "no network that can be read here, so nobody of it may send without a login");
  if (!m.permits_mynetworks)
    return m.tell("mynetworks", Fate::not_needed, "no restriction lets them in");
  if (networks.empty())
    return m.tell("mynetworks", Fate::already_so,
                  "programs of this machine send by sendmail or submit.sock");
  m.plan().set_list("smtp.relay_from", networks, m.source("mynetworks"));
  m.tell("mynetworks", Fate::taken, "smtp.relay_from");
}

}  // namespace

void map_access(PostfixMapping& m) {
  // Postfix's default of both lists lets them in.
  const auto lets_in = [&](const char* name) {
    const auto words = list_words(m.value(name));
    return std::ranges::find(words, "permit_mynetworks") != words.end();
  };
  m.permits_mynetworks =
      m.has("smtpd_relay_restrictions")
          ? lets_in("smtpd_relay_restrictions")
          : !m.has("smtpd_recipient_restrictions") || lets_in("smtpd_recipient_restrictions");
  // Both lists have to let somebody in.
  if (m.has("smtpd_relay_restrictions") && m.has("smtpd_recipient_restrictions") &&
      !lets_in("smtpd_recipient_restrictions")) {
    const auto words = list_words(m.value("smtpd_recipient_restrictions"));
    if (std::ranges::find_if(words, [](const std::string& word) {
          return word.starts_with("reject");
        }) != words.end())
      m.permits_mynetworks = false;
  }
  for (const char* list : kLists) {
    if (!m.has(list)) continue;
    tell_words(m, list);
    m.tell(list, Fate::already_so,
           "our own recipients, and senders with a login; what else it said has lines of its own");
  }
  map_networks(m);
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
