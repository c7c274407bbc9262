// How mail leaves: relays and their logins, routes for domains, and TLS towards others.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

std::string place_of(const OldTable& table, const maps::Entry& entry) {
  return fmt::format("{}:{}", table.file.native(), entry.line);
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
  std::string value;  // ours; empty: it cannot be one
  std::string why;
};
Route read_route(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return {"", "no transport stands before a colon"};
  const std::string transport = text.substr(0, colon), rest = text.substr(colon + 1);
  if (transport == "error" || transport == "discard" || transport == "retry") {
    if (transport == "discard") return {"", "mail is not thrown away; the domain is refused"};
    const std::string status = transport == "retry" ? "4.0.0 " : "";
    return {fmt::format("error:{}{}", status,
                        rest.empty() ? "5.1.1 mail for this domain is refused" : rest),
            ""};
  }
  if (transport == "local" || transport == "virtual" || transport == "lmtp" ||
      transport == "dovecot")
    return {"", "it goes to this server's own store, where the domain is one of ours"};
  if (transport == "smtp" || transport == "relay" || transport.empty()) {
    if (rest.empty()) return transport.empty() ? Route{"", "it says nothing"} : Route{"smtp:", ""};
    const std::string hop = next_hop(rest);
    return hop.empty() ? Route{"", "no host"} : Route{"smtp:" + hop, ""};
  }
  return {"", fmt::format("there is no transport {} here", transport)};
}

void map_transport(PostfixMapping& m) {
  for (const OldTable& table : m.tables("transport_maps")) {
    if (table.kind != OldTable::Kind::lines) {
      m.tell_at(table.file.native(), 0, "transport_maps", table.spec.text(), Fate::not_possible,
                "name each domain in maps/transport");
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      const Route route = read_route(entry.value);
      if (route.value.empty()) {
        const bool is_own = m.domains.contains(entry.key);
        m.tell_at(table.file.native(), entry.line, entry.key, entry.value,
                  is_own ? Fate::already_so : Fate::not_possible,
                  is_own ? "a domain of ours goes to the store" : route.why);
        continue;
      }
      m.plan().add("transport", {entry.key, route.value, place_of(table, entry)});
    }
  }
  m.tell("transport_maps", Fate::taken, "maps/transport");
}

void map_logins(PostfixMapping& m) {
  for (const OldTable& table : m.tables("smtp_sasl_password_maps")) {
    if (table.kind == OldTable::Kind::one) {
      const std::string hop = next_hop(m.value("relayhost"));
      if (!hop.empty())
        m.plan().add("relay-sasl", {hop, table.value, m.source("smtp_sasl_password_maps")});
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      const std::string hop =
          entry.key.find('@') == std::string::npos ? next_hop(entry.key) : entry.key;
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

void map_levels(PostfixMapping& m) {
  const std::string level = m.value("smtp_tls_security_level");
  if (m.has("smtp_tls_security_level") && !level.empty()) {
    // Towards a relay a password goes: it is never sent with less than what stood there.
    const bool is_relayed = !m.value("relayhost").empty();
    const std::string ours = level_of(level);
    m.plan().set_text("relay.mx_tls", ours, m.source("smtp_tls_security_level"));
    if (is_relayed && (ours == "encrypt" || ours == "verify"))
      m.plan().set_text("relay.tls", ours, m.source("smtp_tls_security_level"));
    m.tell(
        "smtp_tls_security_level", level.starts_with("dane") ? Fate::not_possible : Fate::taken,
        level.starts_with("dane")
            ? "TLSA records of others are not asked: relay.mx_tls is \"verify\", which fewer hosts "
              "pass; \"may\" is usual"
        : is_relayed && ours != "encrypt" && ours != "verify"
            ? "relay.mx_tls; towards the relay TLS is demanded and its name verified "
              "(relay.tls), for a password goes there"
            : "relay.mx_tls, relay.tls");
    if (level.starts_with("dane"))
      m.plan().set_text("relay.mx_tls", "may", m.source("smtp_tls_security_level"));
  }
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
  m.tell("smtp_tls_policy_maps", Fate::not_possible,
         "TLS is the same towards all hosts: relay.tls and relay.mx_tls");
  m.tell("smtp_dns_support_level", Fate::not_needed, "DNSSEC is the resolver's");
}

}  // namespace

void map_relay(PostfixMapping& m) {
  const std::string relay = m.value("relayhost");
  if (const std::string hop = next_hop(relay); !hop.empty())
    m.plan().set_text("relay.relayhost", hop, m.source("relayhost"));
  m.tell("relayhost", relay.empty() ? Fate::already_so : Fate::taken,
         relay.empty() ? "mail leaves by MX" : "relay.relayhost");
  map_transport(m);
  map_logins(m);
  map_sender_relays(m);
  map_levels(m);
  std::vector<std::string> fallback;
  for (const std::string& word : list_words(m.value("smtp_fallback_relay")))
    if (const std::string hop = next_hop(word); !hop.empty()) fallback.push_back(hop);
  if (!fallback.empty())
    m.plan().set_list("relay.fallback", fallback, m.source("smtp_fallback_relay"));
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
