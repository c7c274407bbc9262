// Where the mail lies. Maildirs in the usual layout (Maildir++) are used where they are, as
// paths.mail and store.location say it; of everything else it is said how it becomes one: by
// Dovecot itself (`doveadm backup`), which keeps UIDs and flags, or by `posthorn import mbox`.
#include <algorithm>
#include <fmt/format.h>
#include <pwd.h>

#include "base/ascii.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

struct MailPlace {
  const DovecotSetting* setting = nullptr;
  std::string driver, path, inbox, layout, control, folders;
  std::vector<std::string> others;  // parts that change nothing here
};

// "maildir:~/Maildir:LAYOUT=fs:INBOX=…"; 2.4 has a setting for each.
MailPlace place_of(const DovecotMapping& m) {
  MailPlace place;
  const DovecotBlock& root = m.root();
  place.setting = root.find("mail_location");
  for (const DovecotBlock& block : root.blocks)
    if (block.type == "namespace" && is_yes(block.value_of("inbox")))
      if (const DovecotSetting* own = block.find("location"); own != nullptr && !own->value.empty())
        place.setting = own;
  if (place.setting == nullptr || root.find("mail_driver") != nullptr) {
    place.setting = DovecotMapping::find(root, {"mail_path", "mail_driver"});
    place.driver = root.value_of("mail_driver");
    place.path = root.value_of("mail_path");
    place.inbox = root.value_of("mail_inbox_path");
    place.layout = root.value_of("mailbox_list_layout");
    place.control = root.value_of("mail_control_path");
    place.folders = root.value_of("mailbox_root_directory_name");
    return place;
  }
  std::string_view rest = place.setting->value;
  const auto next = [&] {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    std::string part(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    return part;
  };
  place.driver = to_lower(next());
  place.path = next();
  while (!rest.empty()) {
    const std::string part = next();
    const std::string value = part.substr(std::min(part.find('=') + 1, part.size()));
    if (part.starts_with("INBOX="))
      place.inbox = value;
    else if (part.starts_with("LAYOUT="))
      place.layout = to_lower(value);
    else if (part.starts_with("CONTROL="))
      place.control = value;
    else if (part.starts_with("DIRNAME=") || part.starts_with("SUBSCRIPTIONS="))
      place.folders = part;
    else
      place.others.push_back(part);
  }
  return place;
}

// "~/Maildir" below the home. Empty: the home is not known, or a variable is.
std::string expand_home(const std::string& path, const std::string& home) {
  std::string text = path;
  if (text == "~" || text.starts_with("~/")) text = "%h" + text.substr(1);
  text = short_variables(text);
  for (std::size_t at = 0; (at = text.find("%h")) != text.npos;) {
    if (home.empty()) return "";
    text.replace(at, 2, home);
  }
  return text;
}

struct Split {
  std::string root, location;
};
// "/var/vmail/%d/%n/Maildir" in two: "/var/vmail", "{domain}/{user}/Maildir".
std::optional<Split> split_place(std::string_view path) {
  const std::size_t variable = path.find('%');
  if (!path.starts_with('/') || variable == std::string_view::npos) return std::nullopt;
  const std::size_t slash = path.rfind('/', variable);
  Split split{std::string(path.substr(0, std::max<std::size_t>(slash, 1))), ""};
  const std::string_view rest = path.substr(slash + 1);
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') {
      split.location += rest[i];
      continue;
    }
    const char name = ++i < rest.size() ? rest[i] : ' ';
    split.location += name == 'd'   ? "{domain}"
                      : name == 'n' ? "{user}"
                      : name == 'u' ? "{address}"
                                    : "";
    if (std::string_view("dnu").find(name) == std::string_view::npos) return std::nullopt;
  }
  while (split.location.ends_with('/')) split.location.pop_back();
  return split;
}

// The form that all accounts' homes have, where each stands in its own line of the users file.
std::string form_of_homes(const std::vector<PasswdAccount>& accounts) {
  const auto first =
      std::ranges::find_if(accounts, [](const auto& one) { return !one.home.empty(); });
  if (first == accounts.end()) return "";
  for (const std::string_view form : {"%d/%n", "%d/%u", "%u", "%n"}) {
    const std::string tail = "/" + fill_form(form, first->name);
    const std::string& home = first->home;
    const std::size_t at = home.rfind(tail);
    if (at == home.npos || fill_form(form, first->name).starts_with('/')) continue;
    // What follows the name is the same for all: "/var/vmail/example.org/alice/home".
    const std::string behind = home.substr(at + tail.size());
    if (!behind.empty() && !behind.starts_with('/')) continue;
    const std::string whole = home.substr(0, at) + "/" + std::string(form) + behind;
    if (std::ranges::all_of(accounts, [&](const PasswdAccount& one) {
          return one.home.empty() || one.home == fill_form(whole, one.name);
        }))
      return whole;
  }
  return "";
}

std::string name_of_uid(const std::string& uid) {
  const auto number = to_number<uid_t>(uid);
  if (!number) return uid;
  const passwd* const found = ::getpwuid(*number);
  return found == nullptr ? "" : found->pw_name;
}

// The one account of the machine that all mail belongs to; empty: there is none, or several.
std::string owner_of(const DovecotMapping& m) {
  if (!m.uid.empty()) return name_of_uid(m.uid);
  std::string uid;
  for (const PasswdAccount& one : m.accounts) {
    if (one.uid.empty()) continue;
    if (!uid.empty() && one.uid != uid) return "";
    uid = one.uid;
  }
  return uid.empty() ? "" : name_of_uid(uid);
}

std::string how_to_move(std::string_view driver) {
  if (driver == "mbox")
    return "`posthorn import mbox FILE --user ADDRESS --folder NAME` takes each file";
  return "while Dovecot still runs, `doveadm backup -u ADDRESS maildir:FOLDER` makes maildirs of "
         "it "
         "with UIDs and flags; FOLDER is var/mail/DOMAIN/USER of this server";
}

// Why the maildirs cannot serve where they are; empty: they can.
std::string find_hindrance(const DovecotMapping& m, const MailPlace& place,
                           const std::string& path) {
  if (!m.why_not_in_place.empty()) return m.why_not_in_place;
  if (place.driver.empty()) return "the format of the mail is not told";
  if (place.driver != "maildir") return fmt::format("{} is no format of this server", place.driver);
  if (place.layout == "fs")
    return "the layout of folders is LAYOUT=fs, and not Maildir++'s (.Folder.Sub)";
  if (!place.layout.empty() && place.layout != "maildir++")
    return fmt::format("the layout \"{}\" of folders is not known", place.layout);
  if (!place.control.empty())
    return "UIDs and subscriptions lie in another folder (CONTROL), and clients would download all "
           "mail anew";
  if (!place.folders.empty())
    return fmt::format("folders and subscriptions have names of their own ({})", place.folders);
  if (!place.inbox.empty() && expand_home(place.inbox, m.home) != path)
    return "the inbox lies in another folder than the rest (INBOX)";
  for (const std::string_view plugin : {"mail_crypt", "zlib", "mail_compress"})
    if (m.has_plugin(plugin))
      return plugin == "mail_crypt"
                 ? "mails are encrypted (mail_crypt), which nothing here can read"
                 : fmt::format("mails may be compressed ({}), which nothing here can read", plugin);
  if (path.empty()) return "where an account's home is, is not told or has variables unknown here";
  return "";
}

void tell_parts(DovecotMapping& m, const MailPlace& place, Fate fate) {
  for (const std::string_view name :
       {"mail_driver", "mail_path", "mail_inbox_path", "mailbox_list_layout", "mail_control_path",
        "mailbox_root_directory_name"})
    if (const DovecotSetting* part = m.root().find(name); part != place.setting)
      m.tell(part, fate, "part of mail_path");
}

// Accounts whose line says that their mail lies in a place of its own.
void tell_own_places(DovecotMapping& m, const MailPlace& place) {
  for (const PasswdAccount& one : m.accounts) {
    const std::string home = fill_form(m.home, one.name);
    if (!one.mail.empty() && !(one.mail.ends_with(place.path) && one.home.empty()))
      m.tell_at("", 0, one.name, Fate::not_possible,
                fmt::format("its mail lies at {}, another place than the others': copy it to "
                            "where store.location says, or `posthorn import maildir` it",
                            one.mail));
    else if (!one.home.empty() && one.home != home)
      m.tell_at("", 0, one.name, Fate::not_possible,
                fmt::format("its home {} is not where the others' are ({}): copy its maildir to "
                            "where store.location says",
                            one.home, m.home));
  }
}

}  // namespace

void map_mail(DovecotMapping& m) {
  const DovecotSetting* const home = m.root().find("mail_home");
  if (home != nullptr && !home->value.empty()) m.home = home->value;
  if (const std::string form = form_of_homes(m.accounts); !form.empty()) m.home = form;
  m.home = short_variables(m.home);
  m.tell(home, Fate::taken, "homes are looked for there, for Sieve scripts and maildirs");
  const MailPlace place = place_of(m);
  const std::string path = expand_home(place.path, m.home);
  std::string why = find_hindrance(m, place, path);
  const auto split = split_place(path);
  if (why.empty() && !split)
    why = fmt::format(
        "{} is no form of this server's: a fixed folder, then names of domain and "
        "user",
        path);
  const DovecotSetting* const uid = m.root().find("mail_uid");
  m.why_not_in_place = why;
  if (!why.empty()) {
    const std::string text =
        fmt::format("{}: this server's maildirs are below its own paths.mail; {}", why,
                    how_to_move(place.driver));
    m.tell(place.setting, Fate::not_possible, text);
    tell_parts(m, place, Fate::not_possible);
    m.tell(uid, Fate::not_needed, "this server's maildirs belong to users.store");
    for (const PasswdAccount& one : m.accounts)
      if (!one.mail.empty())
        m.tell_at("", 0, one.name, Fate::not_possible,
                  fmt::format("its mail lies at {}: `posthorn import maildir` or `mbox` brings it",
                              one.mail));
    return;
  }
  m.set("paths.mail", split->root);
  m.set("store.location", split->location);
  const std::string owner = owner_of(m);
  if (!owner.empty()) m.set("users.store", owner);
  m.tell(place.setting, Fate::taken,
         fmt::format("paths.mail = \"{}\", store.location = \"{}\": the maildirs serve where they "
                     "are, with UIDs, flags and subscriptions; stop Dovecot before{}",
                     split->root, split->location,
                     owner.empty() ? fmt::format("; whose they are is not told: `chown -R vmail "
                                                 "{}`, or set users.store",
                                                 split->root)
                                   : ""));
  tell_parts(m, place, Fate::taken);
  m.tell(uid, owner.empty() ? Fate::not_possible : Fate::taken,
         owner.empty() ? "no account of this machine has this uid: set users.store"
                       : fmt::format("users.store = \"{}\"", owner));
  tell_own_places(m, place);
}

}  // namespace posthorn::takeover
