// How mail leaves: relays and their logins, routes for domains, and TLS towards others.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "config/next_hop.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

std::string place_of(const OldTable& table, const maps::Entry& entry) {
  return fmt::format("{}:{}", table.file.native(), entry.line);
}

std::string next_hop(std::string text);
// The first one, where there are several.
std::string relay_of(const PostfixMapping& m) {
  const auto words = list_words(m.value("relayhost"));
  return words.empty() ? "" : next_hop(words.front());
}

// "[host]:587", "host:smtp", "smtp:[host]", as relay.relayhost has it; empty: it cannot be one.
std::string next_hop(std::string text) {
  for (const char* transport : {"smtp:", "relay:"})
    if (text.starts_with(transport)) text.erase(0, std::string_view(transport).size());
  const std::pair<std::string_view, std::string_view> services[] = {
      {":smtp", ":25"}, {":submission", ":587"}, {":smtps", ":465"}, {":submissions", ":465"}};
  for (const auto& [name, port] : services)
    if (text.ends_with(name)) text.replace(text.size() - name.size(), name.size(), port);
  return text.find_first_of(" \t/") == std::string::npos ? text : "";
}

// transport(5): transport:nexthop, of which either may be missing.
struct Route {
  std::string value;     // ours; empty: it says nothing
  std::string why = {};  // what of it is not as it was
};
// What cannot go its old way waits here: by MX it would go where it never went.
Route closed_route(std::string_view status, std::string why) {
  return {fmt::format("error:{} {}", status, why), std::move(why)};
}
Route read_route(const std::string& text, const std::string& usual) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos)
    return closed_route("4.3.5", fmt::format("{} is no transport and next hop", text));
  const std::string transport = text.substr(0, colon), rest = text.substr(colon + 1);
  if (transport == "error" || transport == "retry") {
    const bool has_status = rest.size() > 4 && rest[1] == '.' && rest[3] == '.';
    const std::string status = has_status ? "" : transport == "retry" ? "4.0.0 " : "5.0.0 ";
    return {fmt::format("error:{}{}", status, rest.empty() ? "mail for it is refused" : rest)};
  }
  if (transport == "discard")
    return closed_route("5.7.1", "mail is not thrown away in silence but refused");
  if (transport == "smtp" || transport == "relay" || transport.empty()) {
    if (rest.empty()) return {transport.empty() ? usual : "smtp:"};
    if (const std::string hop = next_hop(rest); !hop.empty()) return {"smtp:" + hop};
    return closed_route("4.3.5", fmt::format("{} is no host", rest));
  }
  return closed_route("4.3.5", fmt::format("there is no transport {} here", transport));
}

bool goes_to_store(std::string_view value) {
  for (const std::string_view transport : {"local:", "virtual:", "lmtp:", "dovecot:", ":"})
    if (value.starts_with(transport)) return true;
  return false;
}

void map_transport(PostfixMapping& m) {
  const std::string relay = relay_of(m);
  for (const OldTable& table : m.tables("transport_maps")) {
    if (table.kind != OldTable::Kind::lines) {
      m.tell_at(table.file.native(), 0, "transport_maps", table.spec.text(), Fate::not_possible,
                "name each domain in maps/transport");
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      const std::string domain = entry.key.substr(entry.key.rfind('@') + 1);
      if (m.domains.contains(domain) && goes_to_store(entry.value)) {
        m.tell_at(table.file.native(), entry.line, entry.key, entry.value, Fate::already_so,
                  "a domain of ours goes to the store");
        continue;
      }
      const Route route = read_route(entry.value, "smtp:" + relay);
      if (!route.why.empty())
        m.tell_at(table.file.native(), entry.line, entry.key, entry.value, Fate::not_possible,
                  route.why + ": maps/transport says so, name another way there");
      m.plan().add("transport", {entry.key, route.value, place_of(table, entry)});
    }
  }
  m.tell("transport_maps", Fate::taken, "maps/transport");
}

// A host that was met by TLS alone is met by no less, or not at all.
void map_policies(PostfixMapping& m) {
  const auto set = m.plan().settings().find("relay.mx_tls");
  const bool demands = set != m.plan().settings().end() && set->second.value == "\"verify\"";
  for (const OldTable& table : m.tables("smtp_tls_policy_maps")) {
    if (table.kind != OldTable::Kind::lines) {
      m.tell_at(table.file.native(), 0, "smtp_tls_policy_maps", table.spec.text(),
                Fate::not_possible, "relay.mx_tls = \"verify\" is the same or more for all hosts");
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      const std::string level = entry.value.substr(0, entry.value.find(' '));
      const bool is_loose = level == "none" || level == "may" || level == "dane";
      const bool is_relay = relay_of(m) == entry.key;
      if (is_loose || is_relay || demands || !is_domain_name(entry.key)) {
        m.tell_at(table.file.native(), entry.line, entry.key, entry.value,
                  is_loose ? Fate::not_possible : Fate::already_so,
                  is_loose ? "TLS is the same towards all hosts: relay.mx_tls"
                           : "TLS is demanded: relay.tls, relay.mx_tls");
        continue;
      }
      m.plan().add("transport", {entry.key, "error:4.7.5 TLS was demanded towards this domain",
                                 place_of(table, entry)});
      m.tell_at(table.file.native(), entry.line, entry.key, entry.value, Fate::not_possible,
                "TLS is the same towards all hosts, so mail for it waits (maps/transport) instead "
                "of going without; relay.mx_tls = \"verify\" demands it of all, then take the line "
                "out");
    }
  }
  m.tell("smtp_tls_policy_maps", Fate::not_possible,
         "TLS is the same towards all hosts: relay.tls and relay.mx_tls; its lines are told of");
}

void map_logins(PostfixMapping& m) {
  for (const OldTable& table : m.tables("smtp_sasl_password_maps")) {
    if (table.kind == OldTable::Kind::one) {
      const std::string hop = relay_of(m);
      if (!hop.empty())
        m.plan().add("relay-sasl", {hop, table.value, m.source("smtp_sasl_password_maps")});
      continue;
    }
    if (table.kind != OldTable::Kind::lines) {
      m.tell_at(table.file.native(), 0, "smtp_sasl_password_maps", table.spec.type,
                Fate::not_possible, "write each login into maps/relay-sasl");
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      std::string hop = entry.key.find('@') == std::string::npos ? next_hop(entry.key) : entry.key;
      // The relay's name alone is its login, too, whatever brackets and port stand beside it.
      const auto relay = config::parse_next_hop(relay_of(m));
      if (relay && relay->host == hop) hop = relay_of(m);
      m.plan().add("relay-sasl", {hop, entry.value, place_of(table, entry)});
    }
  }
  m.tell("smtp_sasl_password_maps", Fate::taken, "maps/relay-sasl");
  m.tell("smtp_sasl_auth_enable", Fate::already_so, "who has a line in maps/relay-sasl logs in");
  m.tell("smtp_sender_dependent_authentication", Fate::already_so,
         "a sender's line in maps/relay-sasl is asked first");
  m.tell("smtp_sasl_security_options", Fate::already_so,
         "a password is sent over TLS only (relay.tls)");
  m.tell("smtp_sasl_tls_security_options", Fate::already_so,
         "a password is sent over TLS only (relay.tls)");
  m.tell("smtp_sasl_mechanism_filter", Fate::not_needed, "the best one that both know is taken");
}

void map_sender_relays(PostfixMapping& m) {
  bool any = false;
  for (const OldTable& table : m.tables("sender_dependent_relayhost_maps"))
    for (const maps::Entry& entry : table.entries) {
      const bool is_none = entry.value == "DUNNO" || entry.value == "dunno";
      const std::string hop = is_none ? "DUNNO" : next_hop(entry.value);
      if (hop.empty()) continue;
      any = true;
      m.plan().add("sender-relays", {entry.key, hop, place_of(table, entry)});
    }
  if (any) m.plan().set_list("maps.sender_relays", {"text:sender-relays"});
  m.tell("sender_dependent_relayhost_maps", Fate::taken, "maps/sender-relays");
}

// The level towards all; a policy for some hosts can only be as strict for all.
std::string level_of(const std::string& level) {
  if (level == "none") return "none";
  if (level == "may") return "may";
  if (level == "encrypt") return "encrypt";
  return "verify";
}

// Where a password goes to a relay, TLS is demanded and the name verified, whatever stood there.
void map_relay_level(PostfixMapping& m, const std::string& level) {
  if (m.value("relayhost").empty()) return;
  const bool has_login = m.value("smtp_sasl_auth_enable") == "yes";
  const std::string ours = level_of(level.empty() ? "may" : level);
  if (ours == "encrypt" || (!has_login && ours != "verify"))
    m.plan().set_text("relay.tls", ours == "none" ? "may" : ours,
                      m.source("smtp_tls_security_level"));
  else if (has_login && ours != "verify")
    m.tell_at(m.files().main.file, 0, "smtp_tls_security_level", level, Fate::not_possible,
              "the password goes to the relay only over TLS, its name verified: relay.tls");
}

void map_levels(PostfixMapping& m) {
  const std::string level = m.value("smtp_tls_security_level");
  if (m.has("smtp_tls_security_level") && !level.empty()) {
    const std::string ours = level == "dane" ? "may" : level_of(level);
    m.plan().set_text("relay.mx_tls", ours, m.source("smtp_tls_security_level"));
    m.tell("smtp_tls_security_level", level.starts_with("dane") ? Fate::not_possible : Fate::taken,
           level.starts_with("dane")
               ? fmt::format("TLSA records of others are not asked: relay.mx_tls is \"{}\"", ours)
               : "relay.mx_tls; for a relay: relay.tls");
  }
  map_relay_level(m, level);
  m.tell("smtp_use_tls", Fate::already_so, "relay.mx_tls");
  m.tell("smtp_enforce_tls", Fate::not_possible, "relay.mx_tls = \"encrypt\" demands TLS of all");
  m.tell("smtp_tls_wrappermode", Fate::already_so, "port 465 begins with TLS by itself");
  for (const char* name : {"smtp_tls_CAfile", "smtp_tls_CApath"}) {
    const std::string file = m.value(name);
    const bool is_system = file.starts_with("/etc/ssl/certs");
    if (!is_system && std::string_view(name) == "smtp_tls_CAfile" && !file.empty())
      m.plan().set_text("relay.trust_file", file, m.source(name));
    m.tell(name, is_system ? Fate::already_so : Fate::taken,
           is_system ? "the system's authorities are trusted" : "relay.trust_file");
  }
  map_policies(m);
  m.tell("smtp_dns_support_level", Fate::not_needed, "DNSSEC is the resolver's");
}

}  // namespace

void map_relay(PostfixMapping& m) {
  const std::string relay = m.value("relayhost");
  std::vector<std::string> fallback;
  for (const std::string& word : list_words(relay)) {
    const std::string hop = next_hop(word);
    if (hop.empty() || !config::parse_next_hop(hop))
      m.tell_at(m.files().main.file, 0, "relayhost", word, Fate::not_possible,
                "no host that mail can be handed to: set relay.relayhost before the start, or mail "
                "leaves by MX");
    else if (m.plan().settings().contains("relay.relayhost"))
      fallback.push_back(hop);
    else
      m.plan().set_text("relay.relayhost", hop, m.source("relayhost"));
  }
  m.tell("relayhost", relay.empty() ? Fate::already_so : Fate::taken,
         relay.empty() ? "mail leaves by MX" : "relay.relayhost, relay.fallback");
  map_transport(m);
  map_logins(m);
  map_sender_relays(m);
  map_levels(m);
  for (const std::string& word : list_words(m.value("smtp_fallback_relay")))
    if (const std::string hop = next_hop(word); !hop.empty()) fallback.push_back(hop);
  if (!fallback.empty())
    m.plan().set_list("relay.fallback", fallback,
                      m.source(m.has("smtp_fallback_relay") ? "smtp_fallback_relay" : "relayhost"));
  m.tell("smtp_fallback_relay", Fate::taken, "relay.fallback");
  for (const char* name : {"smtp_bind_address", "smtp_bind_address6"}) {
    const std::string address = m.value(name);
    if (!address.empty()) m.plan().set_text("relay.source_address", address, m.source(name));
    m.tell(name, Fate::taken, "relay.source_address: one address, of one family");
  }
  const std::string relayed = m.value("relay_domains");
  m.tell("relay_domains",
         relayed.empty() || relayed == "$mydestination" ? Fate::already_so : Fate::not_possible,
         relayed.empty()
             ? "no mail is taken for other servers"
             : "no mail is taken for domains of other servers: strangers' mail for them is "
               "refused; give them to their own MX, or make their addresses aliases");
  m.tell("relay_recipient_maps", Fate::not_possible, "as relay_domains");
  m.tell("relay_transport", Fate::not_needed, "as relay_domains");
  m.tell("default_transport",
         m.value("default_transport") == "smtp" ? Fate::already_so : Fate::not_possible,
         "mail for others leaves by SMTP; a route for some: maps/transport");
}

}  // namespace posthorn::takeover
