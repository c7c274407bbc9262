// What became of the settings that no part has told of: by families of names, for Postfix has nine
// hundred of them. What is no name of Postfix's is either referred to by another setting, or
// misspelled, and is told as such.
#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/edit_distance.h"
#include "takeover/postfix_mapping.h"
#include "takeover/postfix_names.h"

namespace posthorn::takeover {
namespace {

struct Row {
  std::string_view begin;  // of the name; a whole one first
  Fate fate;
  std::string_view text;
};
// The first that fits counts.
constexpr Row kRows[] = {
    // Filters beside the queue.
    {"content_filter", Fate::not_possible,
     "spam is filtered by spamd: filter.spamd = \"127.0.0.1:783\"; a virus scanner has no place "
     "yet"},
    {"smtpd_milters", Fate::not_possible,
     "no milter is asked: mail is signed by this server (posthorn dkim), spam filtered by spamd"},
    {"non_smtpd_milters", Fate::not_possible, "as smtpd_milters"},
    {"milter_", Fate::not_needed, "no milter is asked"},
    {"smtpd_proxy_", Fate::not_possible,
     "no filter stands before the queue; spamd stands behind it"},
    {"receive_override_options", Fate::not_needed, "of a filter's way back"},
    {"header_checks", Fate::not_possible,
     "what refused or filed by a header is a Sieve script of the "
     "site now: sieve.before"},
    {"smtp_header_checks", Fate::not_possible,
     "headers of mail that leaves are not rewritten; "
     "submission.hide_client leaves the client out"},
    {"mime_header_checks", Fate::not_possible,
     "attachments are refused by a Sieve script: sieve.before"},
    {"nested_header_checks", Fate::not_possible, "as header_checks"},
    {"body_checks", Fate::not_possible, "texts are weighed by spamd, or tested by a Sieve script"},
    {"smtp_body_checks", Fate::not_possible, "texts are never rewritten"},
    // Copies and rewriting.
    {"always_bcc", Fate::not_possible,
     "no copies are made of all mail; an alias with two targets copies the mail of one address"},
    {"sender_bcc_maps", Fate::not_possible, "no copies are made by sender"},
    {"recipient_bcc_maps", Fate::not_possible,
     "write the copy's address beside: a line in maps/aliases with both"},
    {"canonical_", Fate::not_possible,
     "addresses in mail are never rewritten; another name of a "
     "recipient is an alias"},
    {"sender_canonical_", Fate::not_possible,
     "senders are never rewritten; who may send as another address: maps/senders"},
    {"recipient_canonical_", Fate::not_possible, "another name of a recipient is an alias"},
    {"smtp_generic_maps", Fate::not_possible, "senders are never rewritten when mail leaves"},
    {"masquerade_", Fate::not_possible, "addresses in mail are never rewritten"},
    {"relocated_maps", Fate::not_possible,
     "a line \"ADDRESS error:5.1.6 moved\" in maps/transport"},
    {"append_", Fate::already_so, "a name without a domain gets the server's own"},
    {"swap_bangpath", Fate::already_so, "no such paths are read"},
    {"allow_percent_hack", Fate::already_so, "no such paths are read"},
    {"remote_header_rewrite_domain", Fate::already_so, "headers are not rewritten"},
    {"local_header_rewrite_clients", Fate::already_so, "headers are not rewritten"},
    {"propagate_unmatched_extensions", Fate::already_so, "a tag goes with the address"},
    // Logins.
    {"smtpd_sasl_type", Fate::already_so, "one service knows all logins (conf/users)"},
    {"smtpd_sasl_path", Fate::already_so, "one service knows all logins (conf/users)"},
    {"smtpd_sasl_", Fate::already_so, "users log in at 587 and 465, over TLS"},
    {"broken_sasl_auth_clients", Fate::already_so,
     "AUTH is offered in both forms where it has to be"},
    {"smtpd_sender_login_maps", Fate::not_possible,
     "an account sends as its own address and aliases; more: a line in maps/senders"},
    {"cyrus_sasl_config_path", Fate::not_needed, "one service knows all logins (conf/users)"},
    {"smtpd_relay_", Fate::already_so, "nobody relays without a login"},
    // Parts that have no counterpart.
    {"postscreen_", Fate::not_possible,
     "strangers are not tried before they speak; [limits] bounds them, spamd weighs them"},
    {"address_verify_", Fate::not_needed, "no other server is asked whether an address exists"},
    {"fast_flush_", Fate::not_needed, "ETRN is not served"},
    {"smtpd_etrn", Fate::not_needed, "ETRN is not served"},
    {"smtpd_authorized_", Fate::already_so,
     "XCLIENT and XFORWARD are taken from this server's roles alone"},
    {"authorized_", Fate::already_so, "programs of this machine: submission.programs"},
    {"smtpd_client_event_limit_exceptions", Fate::not_possible, "limits.exempt names networks"},
    {"smtpd_client_", Fate::not_possible, "[limits] and [submission] bound clients and accounts"},
    {"smtpd_policy_service_", Fate::not_needed, "no other program is asked"},
    {"anvil_", Fate::not_needed, "the bounds are [limits]"},
    {"biff", Fate::not_needed, "nobody is told on a terminal"},
    {"readme_directory", Fate::not_needed, "of Postfix's own files"},
    {"html_directory", Fate::not_needed, "of Postfix's own files"},
    {"manpage_directory", Fate::not_needed, "of Postfix's own files"},
    {"sample_directory", Fate::not_needed, "of Postfix's own files"},
    {"shlib_directory", Fate::not_needed, "of Postfix's own files"},
    {"meta_directory", Fate::not_needed, "of Postfix's own files"},
    {"compatibility_level", Fate::not_needed, "of Postfix's own releases"},
    {"default_database_type", Fate::not_needed, "tables are text files"},
    {"debug_peer", Fate::not_needed, "posthorn tap shows a dialog"},
    {"debugger_command", Fate::not_needed, "posthorn tap shows a dialog"},
    {"soft_bounce", Fate::not_possible, "what is refused is refused for good"},
    {"notify_classes", Fate::not_possible, "posthorn status and /health tell what is wrong"},
    {"bounce_", Fate::not_needed, "notices have one form, and go to the sender"},
    {"double_bounce_sender", Fate::already_so,
     "nobody is told of a notice that cannot be delivered"},
    {"error_notice_recipient", Fate::not_possible, "as notify_classes"},
    {"2bounce_notice_recipient", Fate::not_possible, "as notify_classes"},
    {"delay_notice_recipient", Fate::not_possible, "as notify_classes"},
    {"maillog_", Fate::not_needed, "log.file"},
    {"syslog_", Fate::not_needed, "log.file; what became of a mail tells posthorn trace"},
    {"smtputf8_", Fate::already_so, "SMTPUTF8 is offered"},
    {"strict_", Fate::already_so, "mail is read as its RFCs have it"},
    {"resolve_", Fate::already_so, "addresses are read as RFC 5321 has them"},
    {"allow_", Fate::already_so, "addresses are read as RFC 5321 has them"},
    {"enable_long_queue_ids", Fate::already_so, "queue ids are never used again"},
    {"export_environment", Fate::not_needed, "no program is started"},
    {"import_environment", Fate::not_needed, "no program is started"},
    {"multi_instance_", Fate::not_possible, "import each instance into a folder of its own"},
    {"proxy_", Fate::not_needed, "of Postfix's own parts"},
    {"smtpd_upstream_proxy_protocol", Fate::not_possible, "no proxy's word for a client is taken"},
    {"smtpd_noop_commands", Fate::not_needed, "what is no command is refused"},
    {"smtpd_error_sleep_time", Fate::already_so, "who makes errors waits"},
    {"smtpd_soft_error_limit", Fate::already_so, "who makes errors waits"},
    {"smtpd_discard_ehlo_", Fate::not_possible, "all that is offered is offered to all"},
    {"smtp_discard_ehlo_", Fate::not_needed, "what a server offers is used where it works"},
    {"smtp_helo_name", Fate::not_possible, "the name is server.hostname"},
    {"smtp_host_lookup", Fate::already_so, "DNS and /etc/hosts"},
    {"disable_dns_lookups", Fate::not_possible,
     "give relay.relayhost in brackets: no MX is asked then"},
    {"disable_mime_output_conversion", Fate::taken, "relay.disable_mime_output_conversion"},
    {"message_strip_characters", Fate::not_possible, "mail is stored as it came"},
    // Families of the parts inside.
    {"qmgr_", Fate::not_needed, "of Postfix's own scheduler; [queue] is this one's"},
    {"queue_", Fate::not_needed, "the queue lies in paths.spool, and takes queue.messages_max"},
    {"in_flow_delay", Fate::not_needed, "of Postfix's own scheduler"},
    {"default_", Fate::not_needed, "of Postfix's own parts; [queue] and [limits] bound this one"},
    {"initial_destination_", Fate::not_needed, "of Postfix's own scheduler"},
    {"smtp_destination_", Fate::not_needed, "queue.attempts_per_destination_max"},
    {"relay_destination_", Fate::not_needed, "queue.attempts_per_destination_max"},
    {"lmtp_", Fate::not_needed, "mail goes to this server's own store"},
    {"local_", Fate::not_needed, "mail goes to this server's own store"},
    {"virtual_", Fate::not_needed, "mail goes to this server's own store"},
    {"mailbox_", Fate::not_needed, "mail goes to this server's own store"},
    {"postmulti_", Fate::not_needed, "of Postfix's own parts"},
    {"tlsproxy_", Fate::not_needed, "of Postfix's own parts"},
    {"tls_", Fate::already_so, "TLS 1.2 and 1.3 with the ciphers of today, fixed"},
    {"smtp_tls_", Fate::not_needed, "relay.tls and relay.mx_tls say what is asked of others"},
    {"smtpd_tls_", Fate::not_needed, "TLS is offered at every port"},
    {"lmtp_tls_", Fate::not_needed, "mail goes to this server's own store"},
    {"smtp_", Fate::not_needed, "how others are spoken to: [relay]"},
    {"smtpd_", Fate::not_needed, "how clients are spoken to: [smtp], [submission], [limits]"},
    {"mail_", Fate::not_needed, "of Postfix's own parts"},
    {"daemon_", Fate::not_needed, "of Postfix's own parts"},
    {"command_", Fate::not_needed, "of Postfix's own parts"},
    {"config_directory", Fate::not_needed, "of Postfix's own parts"},
    {"data_directory", Fate::not_needed, "of Postfix's own parts"},
    {"setgid_group", Fate::not_needed, "accounts are [users]"},
    {"newaliases_path", Fate::not_needed, "of Postfix's own programs"},
    {"mailq_path", Fate::not_needed, "posthorn queue list"},
    {"sendmail_path", Fate::already_so, "posthorn sendmail"},
};

// Names that are none, for which the near one is looked for: it is a long look.
constexpr std::size_t kStrangeMax = 20;

// Names that other values refer to.
std::set<std::string> referred(const MainCf& main) {
  std::set<std::string> names;
  for (const auto& [name, setting] : main.settings) {
    const std::string& value = setting.value;
    for (std::size_t at = value.find('$'); at != std::string::npos; at = value.find('$', at + 1)) {
      std::size_t begin = at + 1;
      if (begin < value.size() && (value[begin] == '{' || value[begin] == '(')) ++begin;
      std::size_t end = begin;
      while (end < value.size() &&
             (std::isalnum(static_cast<unsigned char>(value[end])) != 0 || value[end] == '_'))
        ++end;
      names.insert(value.substr(begin, end - begin));
    }
  }
  return names;
}

// What was meant by a name that is none: of those of about its length alone, for there are many.
std::string near_name(const std::string& name) {
  constexpr std::size_t kLettersMax = 3;
  std::set<std::string> known;
  for (const std::string_view one : postfix_names())
    if (one.size() <= name.size() + kLettersMax && name.size() <= one.size() + kLettersMax)
      known.emplace(one);
  return nearest(name, known);
}

// NAME_time_limit and the like, for each transport of master.cf (postconf(5)).
bool is_of_a_service(std::string_view name) {
  for (const std::string_view end :
       {"_time_limit", "_delivery_slot_cost", "_delivery_slot_discount", "_delivery_slot_loan",
        "_minimum_delivery_slots", "_destination_concurrency_failed_cohort_limit",
        "_destination_concurrency_limit", "_destination_concurrency_negative_feedback",
        "_destination_concurrency_positive_feedback", "_destination_rate_delay",
        "_destination_recipient_limit", "_initial_destination_concurrency",
        "_extra_recipient_limit", "_recipient_limit", "_recipient_refill_delay",
        "_recipient_refill_limit", "_transport_rate_delay"})
    if (name.ends_with(end)) return true;
  return false;
}

}  // namespace

void tell_other_settings(PostfixMapping& m) {
  if (m.value("disable_mime_output_conversion") == "yes")
    m.plan().set("relay.disable_mime_output_conversion", "true",
                 m.source("disable_mime_output_conversion"));
  const std::set<std::string> used = referred(m.files().main);
  std::size_t strange = 0;
  for (const auto& [name, setting] : m.files().main.settings) {
    if (m.is_told(name)) continue;
    const auto row = std::ranges::find_if(
        kRows, [&found = name](const Row& one) { return found.starts_with(one.begin); });
    if (is_of_a_service(name)) {
      m.tell(name, Fate::not_needed, "how one service of Postfix's works");
    } else if (used.contains(name) && !is_postfix_name(name)) {
      m.tell(name, Fate::taken, "in the settings that refer to it");
    } else if (!is_postfix_name(name)) {
      const std::string near = ++strange <= kStrangeMax ? near_name(name) : "";
      m.tell(name, Fate::not_possible,
             near.empty() ? "no setting of Postfix's has this name"
                          : fmt::format("no setting of Postfix's has this name; is it {}?", near));
    } else if (row != std::end(kRows)) {
      m.tell(name, row->fate, std::string(row->text));
    } else {
      m.tell(name, Fate::not_possible, "there is no such setting here; conf/posthorn.toml has all");
    }
  }
}

}  // namespace posthorn::takeover
