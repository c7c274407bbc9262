// Who the old server was, and where it listened.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

// "/etc/mailname": its first line (Debian).
std::string first_line(const std::string& place) {
  constexpr std::uint64_t kSizeMax = 4096;
  const auto text = read_file(Path(place), kSizeMax);
  if (!text || !*text) return "";
  std::string line = (*text)->substr(0, (*text)->find('\n'));
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.pop_back();
  return line;
}

// Only those of this machine's loopback: nothing of the outside reached it.
bool is_loopback_only(const std::vector<std::string>& interfaces) {
  return !interfaces.empty() && std::ranges::all_of(interfaces, [](const std::string& one) {
    return one == "loopback-only" || one == "localhost" || one.starts_with("127.") ||
           one == "::1" || one == "[::1]";
  });
}

enum class Family { both, v4, v6 };
Family family_of(const PostfixMapping& m) {
  const auto words = list_words(m.value("inet_protocols"));
  if (words == std::vector<std::string>{"ipv4"}) return Family::v4;
  return words == std::vector<std::string>{"ipv6"} ? Family::v6 : Family::both;
}

void map_interfaces(PostfixMapping& m) {
  const Family family = family_of(m);
  m.tell("inet_protocols", family == Family::both ? Fate::already_so : Fate::taken,
         family == Family::both ? "both families are listened on" : "the lists of [listen]");
  auto interfaces = list_words(m.value("inet_interfaces"));
  if (interfaces.empty()) interfaces = {"all"};
  const bool is_all = interfaces == std::vector<std::string>{"all"};
  if (is_all && family == Family::both)
    return m.tell("inet_interfaces", Fate::already_so, "the lists of [listen] name all addresses");
  std::vector<std::string> addresses = interfaces;
  if (is_all) addresses = {"0.0.0.0", "::"};
  if (is_loopback_only(interfaces)) addresses = {"127.0.0.1", "::1"};
  std::erase_if(addresses, [&](const std::string& address) {
    const bool is_v6 = address.find(':') != std::string::npos;
    return (family == Family::v4 && is_v6) || (family == Family::v6 && !is_v6);
  });
  m.addresses = addresses;
  const std::pair<std::string, std::string> services[] = {
      {"smtp", "25"}, {"submission", "587"}, {"submissions", "465"}};
  for (const auto& [name, port] : services) {
    std::vector<std::string> list;
    for (const std::string& address : addresses) {
      if (address.find_first_not_of("0123456789abcdefABCDEF.:[]") != std::string::npos) continue;
      const bool is_v6 = address.find(':') != std::string::npos && !address.starts_with('[');
      list.push_back(is_v6 ? fmt::format("[{}]:{}", address, port) : address + ":" + port);
    }
    if (list.empty())
      return m.tell("inet_interfaces", Fate::not_possible,
                    "host names are not taken: write the addresses into the lists of [listen]");
    m.plan().set_list("listen." + name, list,
                      m.source(is_all ? "inet_protocols" : "inet_interfaces"));
  }
  m.tell("inet_interfaces", Fate::taken, "listen.smtp, listen.submission, listen.submissions");
}

}  // namespace

void map_identity(PostfixMapping& m) {
  std::string host = to_lower(m.value("myhostname"));
  if (!is_domain_name(host)) host = to_lower(m.files().hostname);
  m.plan().set_text("server.hostname", host, m.source("myhostname"));
  m.tell("myhostname", Fate::taken, "server.hostname");
  m.tell("mydomain", Fate::taken, "in the names that are made of it");
  m.origin = m.value("myorigin");
  if (m.origin.starts_with('/')) m.origin = first_line(m.origin);
  m.origin = to_lower(m.origin.empty() ? host : m.origin);
  m.tell("myorigin", Fate::taken, fmt::format("names without a domain are of {}", m.origin));
  for (const std::string& word : list_words(m.value("mydestination"))) {
    const std::string domain = to_lower(word);
    const bool is_own =
        domain == "localhost" || domain.starts_with("localhost.") || domain == "localdomain";
    if (is_domain_name(domain)) {
      if (!is_own) m.local_domains.push_back(domain);
      continue;
    }
    for (const TableSpec& spec : parse_tables(word)) {
      const OldTable table = read_table(spec);
      if (table.kind == OldTable::Kind::lines)
        for (const maps::Entry& entry : table.entries) m.local_domains.push_back(entry.key);
      else
        m.tell_at(m.files().main.file, 0, "mydestination", word, Fate::not_possible,
                  table.why.empty() ? "name each domain in maps/domains" : table.why);
    }
  }
  map_interfaces(m);
  const std::string delimiter = m.value("recipient_delimiter");
  m.plan().set_text("maps.recipient_delimiter", delimiter.substr(0, 1),
                    m.source("recipient_delimiter"));
  m.tell("recipient_delimiter", delimiter.size() > 1 ? Fate::not_possible : Fate::taken,
         delimiter.size() > 1
             ? fmt::format("one of them serves, \"{}\": maps.recipient_delimiter", delimiter[0])
             : "maps.recipient_delimiter");
}

}  // namespace posthorn::takeover
