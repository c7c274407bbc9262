// What the parts of the mapping share (dovecot_mail, dovecot_auth, dovecot_listen, dovecot_tls,
// dovecot_sieve): the settings as they were read, the plan that is made, the report, and which
// settings have been told of. Each part takes what it knows; what none took is looked for in the
// table of dovecot_rows, and what is not there either is named as unknown.
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "takeover/dovecot_conf.h"
#include "takeover/dovecot_users.h"
#include "takeover/plan.h"
#include "takeover/report.h"

namespace posthorn::takeover {

class DovecotMapping {
 public:
  DovecotMapping(const DovecotConf& conf, Plan& plan, Report& report);

  const DovecotConf& conf() const { return conf_; }
  const DovecotBlock& root() const { return conf_.root; }
  Plan& plan() { return plan_; }
  // A setting of posthorn.toml, with where it came from.
  using Value = std::variant<std::string, bool, std::size_t, std::vector<std::string>>;
  void set(std::string_view key, const Value& value, const DovecotSetting* from = nullptr);

  // The root's or a block's setting of the first of these names that is set; a nullptr is none.
  using Names = std::initializer_list<std::string_view>;
  static const DovecotSetting* find(const DovecotBlock& block, Names names);
  const DovecotSetting* plugin(std::string_view name) const;

  // One line of the report for a setting; nullptr tells nothing, a second one nothing more.
  void tell(const DovecotSetting* setting, Fate fate, std::string text);
  void tell_all(const DovecotBlock& block, Fate fate, std::string_view text);
  // Of what is no setting: a line of a users file, a script.
  void tell_at(const std::string& file, std::size_t line, std::string name, Fate fate,
               std::string text);
  bool is_told(const DovecotSetting& setting) const { return told_.contains(&setting); }
  // The setting as people know it: "plugin/sieve", "service/imap-login/inet_listener/imap/port".
  std::string place_of(const DovecotSetting& setting) const;

  // Is this plugin loaded, for any protocol?
  bool has_plugin(std::string_view name) const;

  // Found by one part and used by another.
  std::vector<PasswdAccount> accounts;
  std::string home;  // a template with %d, %n and %u; empty: none is known
  const DovecotSetting* home_setting = nullptr;
  std::string uid;               // whose files the mails are; empty: each account's own
  std::string why_not_in_place;  // empty: the maildirs may be used where they are
  std::string why_no_logins;     // what every login needed there and cannot be asked for here

 private:
  void name_places(const DovecotBlock& block, const std::string& way);

  const DovecotConf& conf_;
  Plan& plan_;
  Report& report_;
  std::set<const DovecotSetting*> told_;
  std::map<const DovecotSetting*, std::string> places_;
};

bool holds(const std::vector<std::string>& list, std::string_view word);
bool is_yes(std::string_view value);
// Words with blanks between.
std::vector<std::string> words_of(std::string_view text);
// The names of a list, whether it is "mail_plugins = quota acl" or 2.4's block of "quota = yes".
std::vector<std::string> list_of(const DovecotBlock& block, std::string_view name);
// A form with %d, %n and %u for one account: "/var/vmail/%d/%n" and anna@one.test.
std::string fill_form(std::string_view form, std::string_view name);
// "%{user | domain}", "%{domain}", "%Ld": as %d. Empty: a variable that no folder's name here has.
std::string short_variables(std::string_view text);

// The parts, in the order in which they need one another.
void map_logins(DovecotMapping& mapping);     // dovecot_auth.cc
void map_mail(DovecotMapping& mapping);       // dovecot_mail.cc
void map_folders(DovecotMapping& mapping);    // dovecot_folders.cc
void map_quota(DovecotMapping& mapping);      // dovecot_quota.cc
void map_scripts(DovecotMapping& mapping);    // dovecot_sieve.cc
void map_tls(DovecotMapping& mapping);        // dovecot_tls.cc
void map_listeners(DovecotMapping& mapping);  // dovecot_listen.cc
void tell_the_rest(DovecotMapping& mapping);  // dovecot_rows.cc

}  // namespace posthorn::takeover
