// master.cf: the ports that users sent by, and what ran beside.
#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

// Services of master.cf.dist, which are Postfix's own inside.
const std::set<std::string, std::less<>> kInside = {
    "pickup",     "cleanup",    "qmgr",     "oqmgr",
    "tlsmgr",     "rewrite",    "bounce",   "defer",
    "trace",      "verify",     "flush",    "proxymap",
    "proxywrite", "smtp",       "relay",    "showq",
    "error",      "retry",      "discard",  "local",
    "virtual",    "lmtp",       "anvil",    "scache",
    "postlog",    "dnsblog",    "tlsproxy", "maildrop",
    "uucp",       "ifmail",     "bsmtp",    "scalemail-backend",
    "mailman",    "postscreen", "smtpd"};

// Where a service stood at some of the machine's addresses only, it stays there.
void map_hosts(PostfixMapping& m, const std::string& ours, const std::string& number,
               std::initializer_list<std::string_view> names) {
  std::vector<std::string> list;
  for (const Service& service : m.files().master.services) {
    const std::size_t colon = service.name.rfind(':');
    const std::string port = service.name.substr(colon + 1);
    if (service.type != "inet" || std::ranges::find(names, port) == names.end()) continue;
    if (colon == std::string::npos) return;  // at all of inet_interfaces
    std::string host = service.name.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    if (host.find_first_not_of("0123456789abcdefABCDEF.:[]") != std::string::npos)
      m.tell_at(m.files().master.file, service.line, service.name, "", Fate::not_possible,
                fmt::format("a host name is no address: write it into listen.{}", ours));
    else
      list.push_back(host + ":" + number);
  }
  m.plan().set_list("listen." + ours, list, "master.cf");
}

void map_user_port(PostfixMapping& m, const Service* service, const std::string& ours,
                   const std::string& what) {
  if (service == nullptr) {
    m.plan().set_list("listen." + ours, {}, "master.cf has no " + what);
    return;
  }
  // What stands in -o beside is what this port does here anyway, or opens more than it should.
  for (const auto& [name, value] : service->overrides) {
    const bool is_open = (name == "smtpd_sasl_auth_enable" && value == "no") ||
                         (name == "smtpd_tls_auth_only" && value == "no") ||
                         (name == "smtpd_tls_security_level" && value != "encrypt");
    if (is_open)
      m.tell_at(m.files().master.file, service->line, what + " -o " + name, value,
                Fate::not_possible, "here it takes a login over TLS and nothing without");
  }
  if (ours == "submission")
    map_hosts(m, ours, "587", {"submission", "587"});
  else
    map_hosts(m, ours, "465", {"submissions", "smtps", "465"});
  m.tell_at(m.files().master.file, service->line, what, "", Fate::taken, "listen." + ours);
}

std::string port_of(const Service& service) {
  const std::string port = service.name.substr(service.name.rfind(':') + 1);
  return port == "smtp" ? "25" : port;
}

}  // namespace

void map_services(PostfixMapping& m) {
  const MasterCf& master = m.files().master;
  if (master.services.empty()) return;
  const Service* smtp = master.find_inet("smtp", "25");
  if (smtp == nullptr)
    m.plan().set_list("listen.smtp", {}, "master.cf has no smtp inet");
  else
    map_hosts(m, "smtp", "25", {"smtp", "25"});
  if (m.value("smtpd_sasl_auth_enable") == "yes") {
    m.plan().set("smtp.auth_on_25", "true", m.source("smtpd_sasl_auth_enable"));
    m.tell("smtpd_sasl_auth_enable", Fate::taken, "smtp.auth_on_25: over TLS only, as everywhere");
  }
  map_user_port(m, master.find_inet("submission", "587"), "submission", "submission");
  const Service* smtps = master.find_inet("submissions", "465");
  if (smtps == nullptr) smtps = master.find_inet("smtps", "465");
  map_user_port(m, smtps, "submissions", "submissions");
  for (const Service& service : master.services) {
    const bool is_inet = service.type == "inet";
    const std::string port = port_of(service);
    const bool is_ours =
        is_inet && (port == "25" || port == "587" || port == "465" || port == "submission" ||
                    port == "submissions" || port == "smtps");
    if (is_ours && service.command == "postscreen")
      m.tell_at(
          master.file, service.line, service.name, service.command, Fate::not_possible,
          "strangers are not tried before they speak; limits.* bound them, spamd weighs them");
    if (is_ours || (!is_inet && kInside.contains(service.name))) continue;
    if (service.name == "policyd-spf" || service.name.find("policy") != std::string::npos)
      m.tell_at(master.file, service.line, service.name, service.command, Fate::not_possible,
                "SPF and greylisting are weighed by spamd (filter.spamd)");
    else if (service.command == "pipe" || service.command == "spawn")
      m.tell_at(master.file, service.line, service.name, service.command, Fate::not_possible,
                "no program is started for mail; rules are Sieve scripts, the filter is spamd");
    else if (is_inet)
      m.tell_at(master.file, service.line, service.name, service.command, Fate::not_possible,
                "a port of its own, as for a filter's way back or for one network: not opened");
    else
      m.tell_at(master.file, service.line, service.name, service.command, Fate::not_needed,
                "a part of Postfix, or another way out with settings of its own");
  }
}

}  // namespace posthorn::takeover
