// What the parts of the mapping share (postfix_identity, postfix_domains, postfix_relay,
// postfix_access, postfix_tls, postfix_limits, postfix_services, postfix_rows): the settings as
// they were read, the plan, the report, and which settings have been told of.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "maps/regexp_table.h"
#include "takeover/postfix_map.h"
#include "takeover/postfix_tables.h"

namespace posthorn::takeover {

class PostfixMapping {
 public:
  PostfixMapping(const PostfixFiles& files, Plan& plan, Report& report)
      : files_(files), plan_(plan), report_(report) {
    files_.main.defaults["myhostname"] = files.hostname;
  }

  const PostfixFiles& files() const { return files_; }
  Plan& plan() { return plan_; }
  bool has(const std::string& name) const { return files_.main.has(name); }
  // Expanded, with the default where others refer to it.
  std::string value(const std::string& name) const { return files_.main.value_of(name); }
  // "main.cf:12"; empty: it is not set.
  std::string source(const std::string& name) const;

  // The line of a setting that is set; one that was told of is not told again.
  void tell(const std::string& name, Fate fate, std::string text);
  // Of something else: a line of a table, a service.
  void tell_at(const std::string& file, std::size_t line, std::string name, std::string value,
               Fate fate, std::string text);
  bool is_told(const std::string& name) const { return told_.contains(name); }

  // What the service at port 25 has of its own (-o) counts in place of main.cf's.
  void take_entrance();
  bool has_several_entrances() const { return entrances_ > 1; }

  // The tables of a setting, each read; what could not be read is told of and left out.
  std::vector<OldTable> tables(const std::string& name, Fate when_unread = Fate::not_possible);

  std::vector<std::string> addresses;  // that were listened on; empty: all
  // Where a bare name belongs (append_at_myorigin).
  std::string origin;
  std::vector<std::string> local_domains;  // mydestination
  std::set<std::string> domains;           // all that are ours
  bool permits_mynetworks = false;

  // What check_recipient_access said of addresses, domains and "name@": an action that lets mail
  // pass, or anything else, which closes it.
  struct Closing {
    bool is_closed;
    std::string source;  // "/etc/postfix/recipient_access:3"
  };
  std::map<std::string, Closing> access;
  std::vector<std::unique_ptr<maps::RegexpTable>> access_patterns;
  // access(5): the address, its domain, the domains above, the name alone; the first that is there.
  bool is_closed(const std::string& address) const;
  // Strangers' mail is not taken at port 25, for what kept it out has no other counterpart.
  void close_to_strangers(const std::string& source);

 private:
  PostfixFiles files_;
  Plan& plan_;
  Report& report_;
  std::set<std::string> told_;
  std::size_t entrances_ = 0;
};

// In the order in which they need one another.
void map_identity(PostfixMapping& mapping);  // names, interfaces, delimiter
void map_access(PostfixMapping& mapping);    // restrictions: what they let in and keep out
void map_domains(PostfixMapping& mapping);   // domains, mailboxes, aliases, local accounts
void map_relay(PostfixMapping& mapping);     // how mail leaves
void map_old_tls(PostfixMapping& mapping);   // certificates and levels
void map_limits(PostfixMapping& mapping);    // sizes and times
void map_services(PostfixMapping& mapping);  // master.cf
void tell_other_settings(PostfixMapping& mapping);

// Whether the action of an access(5) table keeps mail out; what is not known here does.
bool closes(std::string_view action);

// "example.org" and the like, in lower case: no pattern, no path, no number.
bool is_domain_name(std::string_view text);

}  // namespace posthorn::takeover
