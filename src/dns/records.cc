#include "dns/records.h"

#include <algorithm>
#include <fmt/format.h>
#include <variant>

#include "dns/mta_sts.h"
#include "dns/names.h"
#include "message/dkim.h"
#include "net/dns_message.h"
#include "net/networks.h"
#include "net/socket.h"

namespace posthorn::dns {
namespace {

const Service* find(const Server& server, std::string_view name) {
  const auto found = std::ranges::find(server.services, name, &Service::name);
  return found == server.services.end() ? nullptr : &*found;
}

void add_host(const Server& server, std::vector<Record>& records) {
  for (const std::string& address : server.addresses)
    records.push_back(
        {server.host, address.contains(':') ? "AAAA" : "A", address, "This server's address."});
  if (!server.relay.empty()) return;
  for (const std::string& address : server.addresses)
    records.push_back({net::reverse_name(address), "PTR", server.host + ".",
                       "The address's name, which the provider of the address sets: without it "
                       "many take no mail."});
}

void add_mail(const Server& server, const Domain& domain, std::vector<Record>& records) {
  if (domain.name != server.host)
    records.push_back(
        {domain.name, "MX", fmt::format("10 {}.", server.host), "Mail for the domain comes here."});
  records.push_back({domain.name, "TXT", quote_text(merge_spf(domain.spf, spf_wanted(server))),
                     "SPF: who may send mail of the domain."});
  for (const KeyFacts& key : domain.keys)
    records.push_back({fmt::format("{}._domainkey.{}", key.selector, domain.name), "TXT",
                       quote_text(message::make_key_record(key.type, key.public_base64)),
                       "DKIM: the key that signatures are checked with."});
  records.push_back(
      {"_dmarc." + domain.name, "TXT",
       quote_text(domain.dmarc.empty()
                      ? fmt::format("v=DMARC1; p=none; rua=mailto:postmaster@{}", domain.name)
                      : domain.dmarc),
       "DMARC: what becomes of mail in the domain's name that neither SPF nor DKIM vouches for."});
}

void add_tls(const Server& server, const Domain& domain, std::vector<Record>& records) {
  if (!server.policy.empty() && server.web == Web::https) {
    records.push_back(
        {"_mta-sts." + domain.name, "TXT",
         quote_text(fmt::format("v=STSv1; id={}", policy_id(server.policy))),
         "MTA-STS: there is a policy, and which. Only with a certificate for the next name."});
    if (server.host != "mta-sts." + domain.name)
      records.push_back({"mta-sts." + domain.name, "CNAME", server.host + ".",
                         "MTA-STS: where the policy is fetched, by https."});
  }
  records.push_back({"_smtp._tls." + domain.name, "TXT",
                     quote_text(fmt::format("v=TLSRPTv1; rua=mailto:postmaster@{}", domain.name)),
                     "TLS-RPT: where others report trouble with this server's TLS."});
  if (find(server, "smtp") != nullptr)
    for (const std::string& key : server.keys)
      records.push_back({"_25._tcp." + server.host, "TLSA", "3 1 1 " + key,
                         "DANE: the key of this server. It counts only in a zone that is signed by "
                         "DNSSEC; with another key it must change first."});
}

void add_programs(const Server& server, const Domain& domain, std::vector<Record>& records) {
  for (const ServiceName& name : kServiceNames) {
    const Service* service = find(server, name.service);
    records.push_back({fmt::format("{}.{}", name.label, domain.name), "SRV",
                       service == nullptr
                           ? "0 0 0 ."
                           : fmt::format("{} 1 {} {}.", name.priority, service->port, server.host),
                       service == nullptr ? "Mail programs: there is no such service."
                                          : "Mail programs find the server."});
  }
  if (server.web == Web::off) return;
  for (const std::string_view label : kWebLabels)
    if (const std::string name = fmt::format("{}.{}", label, domain.name); name != server.host)
      records.push_back({name, "CNAME", server.host + ".",
                         label == "autoconfig" ? "Thunderbird and others set themselves up."
                                               : "Outlook sets itself up."});
}

void add_authority(const Server& server, const Domain& domain, std::vector<Record>& records) {
  if (server.authority.empty()) return;
  const auto add = [&](const std::string& name) {
    records.push_back({name, "CAA", fmt::format("0 issue \"{}\"", server.authority),
                       "Nobody else issues certificates for the name and those below it."});
  };
  add(domain.name);
  if (!is_within(server.host, domain.name)) add(server.host);
}

}  // namespace

std::vector<Service> find_services(const config::Listen& listen) {
  struct Named {
    const char* name;
    const std::vector<std::string>& addresses;
  };
  const Named all[] = {
      {"smtp", listen.smtp},   {"submission", listen.submission},
      {"imap", listen.imap},   {"submissions", listen.submissions},
      {"imaps", listen.imaps}, {"pop3", listen.pop3},
      {"pop3s", listen.pop3s}, {"managesieve", listen.managesieve},
  };
  std::vector<Service> open, closed;
  for (const Named& one : all) {
    const net::TcpAddress* best = nullptr;
    std::vector<net::Address> parsed;
    for (const std::string& text : one.addresses)
      if (auto address = net::parse_address(text)) parsed.push_back(*std::move(address));
    const auto is_loopback = [](const net::TcpAddress& address) {
      return address.host.starts_with("127.") || address.host == "::1" ||
             address.host == "localhost";
    };
    for (const net::Address& address : parsed)
      if (const auto* tcp = std::get_if<net::TcpAddress>(&address))
        if (best == nullptr || is_loopback(*best)) best = tcp;
    if (best == nullptr) continue;
    (is_loopback(*best) ? closed : open).push_back({one.name, best->port});
  }
  return open.empty() ? closed : open;
}

Web find_web(const config::Listen& listen) {
  return !listen.https.empty() ? Web::https : !listen.http.empty() ? Web::http_only : Web::off;
}

std::string caa_authority(const std::string& directory) {
  constexpr std::pair<std::string_view, std::string_view> kAuthorities[] = {
      {"letsencrypt", "letsencrypt.org"}, {"zerossl", "sectigo.com"}, {"sectigo", "sectigo.com"},
      {"buypass", "buypass.com"},         {"pki.goog", "pki.goog"},   {"ssl.com", "ssl.com"},
  };
  for (const auto& [word, name] : kAuthorities)
    if (directory.contains(word)) return std::string(name);
  return {};
}

std::vector<std::string> spf_wanted(const Server& server) {
  std::vector<std::string> terms = {"mx"};
  if (!server.relay.empty()) terms.push_back(server.relay);
  return terms;
}

std::string quote_text(std::string_view text) {
  constexpr std::size_t kStringMax = 255;  // RFC 1035 section 3.3
  std::string out;
  do {
    const std::string_view part = text.substr(0, kStringMax);
    text.remove_prefix(part.size());
    out += out.empty() ? "\"" : " \"";
    for (const char c : part) {  // RFC 1035 section 5.1
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte >= 0x7F)
        out += fmt::format("\\{:03}", byte);
      else if (c == '"' || c == '\\')
        out += fmt::format("\\{}", c);
      else
        out += c;
    }
    out += '"';
  } while (!text.empty());
  return out;
}

std::string to_line(const Record& record) {
  return fmt::format("{}. IN {} {}", record.owner, record.type, record.data);
}

std::vector<Record> make_records(const Server& server, const Domain& domain) {
  std::vector<Record> records;
  add_host(server, records);
  add_mail(server, domain, records);
  add_tls(server, domain, records);
  add_programs(server, domain, records);
  add_authority(server, domain, records);
  return records;
}

std::string make_zone(const std::vector<Record>& records, const std::string& domain) {
  std::string inside = fmt::format("$TTL 3600\n"), outside;
  std::string said_inside, said_outside;
  for (const Record& record : records) {
    const bool is_inside = is_within(record.owner, domain);
    std::string& out = is_inside ? inside : outside;
    std::string& said = is_inside ? said_inside : said_outside;
    if (said != record.purpose)
      out += fmt::format("{}; {}\n", is_inside ? "\n" : ";\n", record.purpose);
    said = record.purpose;
    out += fmt::format("{}{}\n", is_inside ? "" : ";", to_line(record));
  }
  if (!outside.empty())
    inside +=
        fmt::format("\n; For other zones than {}, where those are kept:\n{}", domain, outside);
  return inside;
}

}  // namespace posthorn::dns
