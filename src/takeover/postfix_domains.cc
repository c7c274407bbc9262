// Whose mail the old server took: domains, mailboxes, aliases, and the accounts of the machine that
// local(8) delivered to.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ascii.h"
#include "takeover/postfix_mapping.h"

namespace posthorn::takeover {
namespace {

constexpr std::uint64_t kPasswdMax = 16U << 20U;
// Debian's login.defs: accounts of people.
constexpr unsigned kFirstUser = 1000, kLastUser = 59'999;

std::string place_of(const OldTable& table, const maps::Entry& entry) {
  return entry.line > 0 ? fmt::format("{}:{}", table.file.native(), entry.line) : table.spec.text();
}

void add_domain(PostfixMapping& m, const std::string& domain, const std::string& source) {
  if (!m.domains.insert(domain).second) return;
  m.plan().add("domains", {domain, "", source});
}

// "alice" is alice@origin; a command or a file is nobody.
struct Target {
  std::string address;  // empty: it cannot be one
  std::string why;
};
Target read_target(const PostfixMapping& m, std::string word, const std::string& at_domain) {
  if (word.size() > 1 && word.front() == '"' && word.back() == '"')
    word = word.substr(1, word.size() - 2);
  if (word.starts_with('\\')) word.erase(0, 1);
  if (word.starts_with('|')) return {"", "no program is started for mail; a Sieve script files it"};
  if (word.starts_with('/')) return {"", "no file is written to; a mailbox holds its mail"};
  if (word.starts_with(":include:"))
    return {"", "lists of their own files are not read: write out who stands there"};
  if (word.empty()) return {"", "it is empty"};
  const std::string& domain = at_domain.empty() ? m.origin : at_domain;
  return {word.find('@') == std::string::npos ? word + "@" + domain : word, ""};
}

// The list of an alias as this server's; what cannot be a target is told of.
std::string read_targets(PostfixMapping& m, const OldTable& table, const maps::Entry& entry,
                         const std::string& at_domain) {
  std::vector<std::string> targets;
  for (const std::string& word : list_words(entry.value)) {
    const Target target = read_target(m, word, at_domain);
    if (target.address.empty())
      m.tell_at(table.file.native(), entry.line, entry.key, word, Fate::not_possible, target.why);
    else
      targets.push_back(target.address);
  }
  return fmt::format("{}", fmt::join(targets, ", "));
}

void add_patterns(PostfixMapping& m, const OldTable& table, const std::string& name,
                  std::vector<std::string>& list, const std::string& ours) {
  const std::string place = fmt::format("{}-{}.{}", ours, list.size(), table.spec.type);
  m.plan().add_file("maps/" + place, table.text);
  list.push_back(table.spec.type + ":" + place);
  m.tell_at(table.file.native(), 0, name, table.spec.text(), Fate::taken, "maps/" + place);
}

// Tables in their order: of texts that follow one another the first line counts, so they are one
// file; behind patterns or a database begins another.
class OrderedTables {
 public:
  OrderedTables(PostfixMapping& m, std::string ours) : m_(m), ours_(std::move(ours)) {}
  void add(const OldTable& table, const std::string& setting) {
    if (table.kind == OldTable::Kind::lines) {
      if (is_text_) return;
      is_text_ = true;
      if (texts_ > 0) text_ = fmt::format("{}-{}", ours_, texts_);
      ++texts_;
      list_.push_back("text:" + text_);
      return;
    }
    is_text_ = false;
    if (table.kind == OldTable::Kind::patterns) {
      add_patterns(m_, table, setting, list_, ours_);
    } else if (table.kind == OldTable::Kind::one) {
      list_.push_back("static:" + table.value);
    } else if (table.kind == OldTable::Kind::pgsql) {
      m_.plan().add_query(ours_, table.text, table.file.native());
      // Several become one query (takeover/pgsql_query), where the first stood.
      if (std::ranges::find(list_, "pgsql:") == list_.end()) list_.emplace_back("pgsql:");
    }
  }
  // The table that a line of the last text belongs to.
  const std::string& text() const { return text_; }
  void finish() {
    if (list_.empty()) return;
    // What is added by commands goes there, and counts before the rest.
    if (texts_ == 0) list_.insert(list_.begin(), "text:" + ours_);
    if (list_.size() > 1) m_.plan().set_list("maps." + ours_, list_);
  }

 private:
  PostfixMapping& m_;
  const std::string ours_;
  std::string text_ = ours_;
  std::vector<std::string> list_;
  std::size_t texts_ = 0;
  bool is_text_ = false;
};

// A domain alone, or a list of them, or tables whose keys they are.
void map_domain_list(PostfixMapping& m, const std::string& name) {
  for (const std::string& word : list_words(m.value(name))) {
    if (is_domain_name(word)) {
      add_domain(m, to_lower(word), m.source(name));
      continue;
    }
    for (const TableSpec& spec : parse_tables(word)) {
      const OldTable table = read_table(spec);
      if (table.kind == OldTable::Kind::lines) {
        for (const maps::Entry& entry : table.entries)
          if (is_domain_name(entry.key) && entry.key.find('.') != std::string::npos)
            add_domain(m, entry.key, place_of(table, entry));
      } else if (table.kind == OldTable::Kind::pgsql) {
        m.plan().add_query("domains", table.text, table.file.native());
      } else {
        m.tell_at(m.files().main.file, 0, name, spec.text(), Fate::not_possible,
                  table.why.empty() ? "name each domain in maps/domains" : table.why);
      }
    }
  }
  m.tell(name, Fate::taken, "maps/domains");
}

void map_aliases(PostfixMapping& m) {
  const bool has_own_domains = m.has("virtual_alias_domains");
  OrderedTables ordered(m, "aliases");
  for (const OldTable& table : m.tables("virtual_alias_maps")) {
    ordered.add(table, "virtual_alias_maps");
    for (const maps::Entry& entry : table.entries) {
      const std::string source = place_of(table, entry);
      if (entry.key.find('@') == std::string::npos && entry.key.find('.') != std::string::npos) {
        // virtual(5): a key that is a domain makes it one of ours.
        if (!has_own_domains) add_domain(m, entry.key, source);
        continue;
      }
      // A name alone is one of $myorigin, $mydestination and the machine's own addresses.
      std::vector<std::string> keys = {entry.key};
      if (entry.key.find('@') == std::string::npos) {
        keys.clear();
        for (const std::string& domain : m.local_domains) keys.push_back(entry.key + "@" + domain);
        if (std::ranges::find(m.local_domains, m.origin) == m.local_domains.end())
          keys.push_back(entry.key + "@" + m.origin);
      }
      for (const std::string& key : keys) {
        if (m.is_closed(key)) continue;
        if (const std::string targets = read_targets(m, table, entry, ""); !targets.empty())
          m.plan().add(ordered.text(), {key, targets, source});
      }
    }
  }
  ordered.finish();
  m.tell("virtual_alias_maps", Fate::taken, "maps/aliases");
}

void map_mailboxes(PostfixMapping& m) {
  OrderedTables ordered(m, "mailboxes");
  for (const OldTable& table : m.tables("virtual_mailbox_maps")) {
    ordered.add(table, "virtual_mailbox_maps");
    for (const maps::Entry& entry : table.entries) {
      if (entry.key.find('@') == std::string::npos) continue;  // a domain's own line
      if (m.is_closed(entry.key)) continue;
      if (entry.key.starts_with('@')) {
        m.tell_at(table.file.native(), entry.line, entry.key, entry.value, Fate::not_possible,
                  fmt::format("no mailbox is for all names; a line \"{} ADDRESS\" in maps/aliases "
                              "gives them to one account",
                              entry.key));
        continue;
      }
      m.plan().add(ordered.text(), {entry.key, "", place_of(table, entry)});
    }
  }
  ordered.finish();
  m.tell("virtual_mailbox_maps", Fate::taken, "maps/mailboxes; where the mail lies: paths.mail");
}

struct Person {
  std::string name, home;
};
std::vector<Person> people(const Path& passwd) {
  std::vector<Person> found;
  const auto text = read_file(passwd, kPasswdMax);
  if (!text || !*text) return found;
  std::string_view rest = **text;
  while (!rest.empty()) {
    const std::size_t lf = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, lf);
    rest.remove_prefix(std::min(lf + 1, rest.size()));
    std::vector<std::string> fields;
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t colon = std::min(line.find(':', at), line.size());
      fields.emplace_back(line.substr(at, colon - at));
      at = colon + 1;
    }
    if (fields.size() < 7) continue;
    const auto uid = to_number<unsigned>(fields[2]);
    const bool is_person = uid && *uid >= kFirstUser && *uid <= kLastUser &&
                           !fields[6].ends_with("nologin") && !fields[6].ends_with("false");
    // Whose mail nobody else gets, as long as no alias says so (aliases(5) comes first).
    const bool is_root = uid == 0U;
    if (is_person || is_root) found.push_back({to_lower(fields[0]), fields[5]});
  }
  return found;
}

// aliases(5) are of every local domain, and of no other.
void map_local_aliases(PostfixMapping& m) {
  // local(8) completes what stands in a list by $myorigin.
  const bool is_origin_local =
      std::ranges::find(m.local_domains, m.origin) != m.local_domains.end();
  for (const TableSpec& spec : parse_tables(m.value("alias_maps"))) {
    const OldTable table = read_local_aliases(spec);
    if (table.kind == OldTable::Kind::unread) {
      if (m.has("alias_maps") && spec.type != "nis")
        m.tell_at(m.files().main.file, 0, "alias_maps", spec.text(), Fate::not_possible, table.why);
      continue;
    }
    for (const maps::Entry& entry : table.entries) {
      for (const std::string& domain : m.local_domains) {
        const std::string key = entry.key + "@" + domain;
        if (m.is_closed(key)) continue;
        // A name that leads to itself is the account; the others lead on within the same domain.
        const std::string targets =
            read_targets(m, table, entry, is_origin_local ? domain : m.origin);
        if (!targets.empty() && targets != key)
          m.plan().add("aliases", {key, targets, place_of(table, entry)});
      }
    }
  }
  m.tell("alias_maps", m.local_domains.empty() ? Fate::not_needed : Fate::taken,
         m.local_domains.empty() ? "no domain is delivered to the machine's accounts"
                                 : "maps/aliases, for each domain of mydestination");
  m.tell("alias_database", Fate::not_needed, "tables need no newaliases");
}

void map_accounts(PostfixMapping& m) {
  for (const std::string& domain : m.local_domains)
    add_domain(m, domain, m.source("mydestination"));
  m.tell("mydestination", Fate::taken,
         m.local_domains.empty()
             ? "this machine's own name, for which no mail of others comes"
             : fmt::format("maps/domains: {}", fmt::join(m.local_domains, ", ")));
  if (m.local_domains.empty()) return;
  const bool has_others = m.has("local_recipient_maps") && m.value("local_recipient_maps").empty();
  if (has_others)
    m.tell("local_recipient_maps", Fate::not_possible,
           "every name was taken; here only those that have a line");
  m.tell("local_recipient_maps", Fate::taken, "maps/mailboxes and maps/aliases");
  for (const Person& person : people(m.files().passwd)) {
    for (const std::string& domain : m.local_domains) {
      const std::string address = person.name + "@" + domain;
      if (m.is_closed(address)) continue;
      m.plan().add("mailboxes", {address, "", m.files().passwd.native() + ": accounts of people"});
    }
    m.tell_at(
        m.files().passwd.native(), 0, person.name, "", Fate::taken,
        fmt::format("a mailbox, without a password yet: posthorn user add {}@{}; its old mail: "
                    "posthorn import",
                    person.name, m.local_domains.front()));
  }
}

// A catch-all would take what was closed by name; maps/transport refuses it.
void close_addresses(PostfixMapping& m) {
  for (const auto& [key, closing] : m.access) {
    if (!closing.is_closed) continue;
    const std::string text = "error:5.7.1 This address takes no mail from outside";
    if (key.ends_with('@'))
      for (const std::string& domain : m.domains)
        m.plan().add("transport", {key + domain, text, closing.source});
    else if (key.find('@') != std::string::npos || m.domains.contains(key))
      m.plan().add("transport", {key, text, closing.source});
  }
}

}  // namespace

void map_domains(PostfixMapping& m) {
  map_accounts(m);
  for (const char* name : {"virtual_mailbox_domains", "virtual_alias_domains"})
    if (m.has(name)) map_domain_list(m, name);
  // postconf(5): virtual_mailbox_domains is $virtual_mailbox_maps where nothing is said.
  if (!m.has("virtual_mailbox_domains") && m.has("virtual_mailbox_maps"))
    map_domain_list(m, "virtual_mailbox_domains");
  map_aliases(m);
  map_mailboxes(m);
  map_local_aliases(m);
  close_addresses(m);
  if (!m.local_domains.empty() && !m.plan().settings().contains("server.default_domain"))
    m.plan().set_text("server.default_domain", m.local_domains.front(), m.source("mydestination"));
  m.tell("virtual_mailbox_base", Fate::not_needed,
         "mail lies below paths.mail; posthorn import maildir brings what lies elsewhere");
  for (const char* name : {"virtual_uid_maps", "virtual_gid_maps", "virtual_minimum_uid"})
    m.tell(name, Fate::not_needed, "all mail belongs to users.store");
  for (const char* name : {"virtual_transport", "mailbox_transport", "local_transport",
                           "mailbox_transport_maps", "dovecot_destination_recipient_limit"})
    m.tell(name, Fate::already_so, "mail for the domains of ours goes to this server's own store");
  for (const char* name :
       {"home_mailbox", "mail_spool_directory", "mailbox_command", "forward_path"})
    m.tell(name, Fate::not_needed,
           "mail lies in maildirs below paths.mail; rules are Sieve scripts");
  for (const char* name : {"luser_relay", "fallback_transport", "fallback_transport_maps"})
    m.tell(name, Fate::not_possible,
           "who has no line is refused; a line \"@domain ADDRESS\" in maps/aliases takes the rest");
}

}  // namespace posthorn::takeover
