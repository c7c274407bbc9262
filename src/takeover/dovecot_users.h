// A passwd-file of Dovecot's as lines of conf/users:
//
//   user:password:uid:gid:(gecos):home:(shell):extra fields with blanks between
//
// Who could not log in there gets no line here, or one that lets nobody in: a name that Dovecot
// never looks for (upper case where it asks in lower case, a letter outside auth_username_chars), a
// second line of one name. Of the extra fields those are kept that shut somebody out or bound what
// they may hold. No password or hash is ever in what is told. Sans-I/O.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace posthorn::takeover {

// What the passdb block says of its file.
struct PasswdFileRules {
  enum class Key { address, local_part };
  enum class Case { as_typed, lowered };
  std::string default_scheme = "CRYPT";
  Key key = Key::address;
  Case letters = Case::lowered;
  std::string domain;         // of a file for one domain; empty: its names say it
  std::string name_letters;   // that names may have; empty: any
  std::string default_realm;  // what is put behind a name without a domain
  std::vector<std::string> default_fields, override_fields;  // "allow_nets=10.0.0.0/8"
};

struct PasswdAccount {
  std::size_t line = 0;
  std::string name;      // lower case
  std::string password;  // "{SCHEME}…", or crypt's own form
  std::string uid, home;
  std::vector<std::string> fields;  // that count here: "nologin", "allow_nets=…", quota rules
  std::string mail;                 // userdb_mail, userdb_mail_path

  std::string rest() const;  // its line of conf/users without the name
};

struct PasswdFileNote {
  std::size_t line = 0;
  std::string what, reason;  // "alice", "userdb_mail"; why it does not count
};

struct PasswdFile {
  std::vector<PasswdAccount> accounts;
  std::vector<PasswdFileNote> left_out;  // lines
  std::vector<PasswdFileNote> unused;    // fields, each kind once
};
PasswdFile read_passwd_file(std::string_view text, const PasswdFileRules& rules);

// "quota_rule2=Trash:ignore" as conf/users has it; empty: it is none.
std::string quota_field(std::string_view word);

}  // namespace posthorn::takeover
