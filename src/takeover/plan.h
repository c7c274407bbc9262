// The new server as it is to be made: settings, tables, accounts, files. It is a value: the readers
// of old configurations fill it, and one writer makes files of it (tools/import_config). Sans-I/O.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"

namespace posthorn::takeover {

// A line of a table.
struct Entry {
  std::string key, value;
  std::string source;  // "/etc/postfix/virtual:12", for a comment
};

// A file of the old server that the new one needs.
struct Copy {
  Path from;
  Path to;        // below the new server's folder: "tls/cert.pem"
  unsigned mode;  // 0640
};

class Plan {
 public:
  // "smtp.message_max" and its value as it stands in posthorn.toml: "50MB" in quotes, 1000, true,
  // ["a", "b"]. The last one counts. source: "main.cf:12", for a comment.
  void set(const std::string& key, const std::string& value, const std::string& source = "");
  // The same with a text, which is put in quotes, and with a list of them.
  void set_text(const std::string& key, const std::string& text, const std::string& source = "");
  void set_list(const std::string& key, const std::vector<std::string>& texts,
                const std::string& source = "");
  // A table's name: "domains", "mailboxes", "aliases", "senders", "transport", "sender_relays",
  // "relay-sasl". What stands there already stays, as in a postmap the first line counts.
  void add(const std::string& table, Entry entry);
  bool has(const std::string& table, const std::string& key) const;
  // A line of conf/users, without the name: "{SHA512-CRYPT}…:::::…". The first one counts.
  void add_account(const std::string& address, const std::string& rest);
  void copy(Copy copy) { copies_.push_back(std::move(copy)); }
  // A user's Sieve script, by its name in the account; active: it is the one that runs.
  struct Script {
    std::string account, name, text;
    bool is_active = false;
  };
  void add_script(Script script) { scripts_.push_back(std::move(script)); }
  // What a file of Postfix's pgsql: tables or Dovecot's dovecot-sql.conf asks, for a table of ours:
  // its text as it stands there, and where.
  struct Query {
    std::string table, text, source;
  };
  void add_query(const std::string& table, const std::string& text, const std::string& source) {
    queries_.push_back({table, text, source});
  }
  // A file with just this text: "sieve/before/10-site.sieve".
  void add_file(const std::string& place, const std::string& text, unsigned mode = 0644);

  struct Setting {
    std::string value, source;
  };
  const std::map<std::string, Setting>& settings() const { return settings_; }
  const std::map<std::string, std::vector<Entry>>& tables() const { return tables_; }
  const std::vector<std::pair<std::string, std::string>>& accounts() const { return accounts_; }
  const std::vector<Query>& queries() const { return queries_; }
  const std::vector<Copy>& copies() const { return copies_; }
  const std::vector<Script>& scripts() const { return scripts_; }
  struct File {
    std::string text;
    unsigned mode = 0644;
  };
  const std::map<std::string, File>& files() const { return files_; }

  // posthorn.toml: the settings by section, each with where it came from.
  std::string to_toml() const;
  // The text of a table's file.
  std::string to_text(const std::string& table) const;

 private:
  std::map<std::string, Setting> settings_;
  std::map<std::string, std::vector<Entry>> tables_;
  std::vector<std::pair<std::string, std::string>> accounts_;
  std::vector<Query> queries_;
  std::vector<Copy> copies_;
  std::vector<Script> scripts_;
  std::map<std::string, File> files_;
};

}  // namespace posthorn::takeover
