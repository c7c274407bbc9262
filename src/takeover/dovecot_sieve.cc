// Sieve: the administrator's scripts become files of paths.sieve with the settings that run them;
// each is compiled first, and one with a fault is left out with the fault named, for with it the
// server would run none. Users' own scripts lie in their homes: the plan names where.
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "base/ascii.h"
#include "config/quota.h"
#include "scripts/check.h"
#include "scripts/script_folder.h"
#include "sieve/compile.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

constexpr std::uint64_t kScriptMax = 1U << 20U;

// What runs programs: no process of this server does.
constexpr std::string_view kPrograms[] = {"vnd.dovecot.pipe", "vnd.dovecot.filter",
                                          "vnd.dovecot.execute"};

bool is_numbered(std::string_view name, std::string_view stem) {
  return name.starts_with(stem) &&
         name.substr(stem.size()).find_first_not_of("0123456789") == std::string_view::npos;
}
// "file:/etc/dovecot/x.sieve;name=y"
std::string path_of(std::string_view value) {
  if (value.starts_with("file:")) value.remove_prefix(5);
  return std::string(trim(value.substr(0, value.find(';'))));
}

class Scripts {
 public:
  explicit Scripts(DovecotMapping& mapping) : m_(mapping) {}

  void map() {
    const bool is_run = m_.has_plugin("sieve");
    if (const DovecotBlock* const plugin = m_.root().find_block("plugin")) {
      for (const DovecotSetting& setting : plugin->settings)
        if (!m_.is_told(setting)) map_setting(setting, is_run);
      map_events(*plugin);
    }
    for (const DovecotBlock& block : m_.root().blocks) walk(block, is_run);
    map_delimiter();
    if (!before_.empty()) m_.set("sieve.before", before_);
    if (!after_.empty()) m_.set("sieve.after", after_);
    if (!rules_.empty()) m_.set("sieve.imap", rules_);
  }

 private:
  void map_setting(const DovecotSetting& setting, bool is_run) {
    const std::string& name = setting.name;
    if (name == "sieve" || name == "sieve_dir") return map_own(setting);
    if (is_numbered(name, "sieve_before") || is_numbered(name, "sieve_after") ||
        name == "sieve_default" || name == "sieve_global_path" || name == "sieve_global" ||
        name == "sieve_global_dir") {
      if (!is_run)
        return m_.tell(&setting, Fate::not_needed,
                       "mail_plugins does not name sieve: Dovecot does not run it");
      return map_site(setting);
    }
    if (name == "sieve_extensions" || name == "sieve_global_extensions" ||
        name == "sieve_implicit_extensions")
      return map_extensions(setting);
    map_bound(setting);
  }

  void map_bound(const DovecotSetting& setting) {
    const std::string& name = setting.name;
    const auto take = [&](std::string_view key, auto value, std::string_view shown) {
      m_.set(key, value);
      m_.tell(&setting, Fate::taken, fmt::format("{} = {}", key, shown));
    };
    const auto number = to_number<std::size_t>(setting.value);
    if (name == "sieve_max_script_size") {
      if (const auto size = quota::parse_size(setting.value, 1); size && *size > 0)
        return take("sieve.script_size_max",
                    fmt::format("{}B", std::clamp<std::uint64_t>(*size, 1024, 1U << 20U)),
                    quota::format_size(*size));
      return m_.tell(&setting, Fate::not_possible, "a script has at most 1 MB");
    }
    if (name == "sieve_quota_max_scripts" && number && *number > 0)
      return take("sieve.scripts_max", std::min<std::size_t>(*number, 10'000), setting.value);
    if (name == "sieve_max_redirects" || name == "sieve_max_actions") {
      const bool is_same = setting.value == (name == "sieve_max_redirects" ? "4" : "32");
      return m_.tell(&setting, is_same ? Fate::already_so : Fate::not_possible,
                     name == "sieve_max_redirects" ? "a script redirects a message to 4 at most"
                                                   : "a script has 32 actions at most");
    }
    if (name == "sieve_plugins")
      return m_.tell(&setting,
                     setting.value.find("extprograms") == setting.value.npos ? Fate::already_so
                                                                             : Fate::not_possible,
                     "extensions need no loading; sieve_extprograms has no counterpart: no "
                     "process of this server runs programs");
    if (name == "sieve_user_log" || name == "sieve_default_name" || name == "sieve_trace_dir" ||
        name == "sieve_trace_level" || name == "sieve_user_email")
      return m_.tell(&setting, Fate::not_needed,
                     "faults of a script come by mail, and `posthorn sieve test` shows its steps");
    if (name.starts_with("sieve_") && !name.starts_with("sieve_imapsieve"))
      m_.tell(&setting, Fate::not_possible,
              "there is no such setting here: src/sieve/README.md lists what bounds scripts");
  }

  // "file:~/sieve;active=~/.dovecot.sieve", or only where the active one is.
  void map_own(const DovecotSetting& setting) {
    const std::string folder = path_of(setting.value);
    const std::size_t at = setting.value.find("active=");
    const std::string active =
        at == setting.value.npos ? folder : path_of(std::string_view(setting.value).substr(at + 7));
    const bool is_usual =
        (folder == "~/sieve" || folder == "~/.dovecot.sieve" || folder == "%h/sieve" ||
         folder == "~/sieve/" || folder == "%h/.dovecot.sieve") &&
        (setting.name == "sieve_dir" || active == "~/.dovecot.sieve" ||
         active == "%h/.dovecot.sieve");
    if (is_usual && !m_.home.empty()) {
      for (const PasswdAccount& account : m_.accounts) add_own(account);
      return m_.tell(&setting, Fate::taken,
                     "users' scripts are copied from their homes into their maildirs, the active "
                     "one active; what is there already stays");
    }
    m_.tell(&setting, Fate::not_possible,
            is_usual
                ? "where an account's home is, is not known: `posthorn sieve put FILE --user "
                  "ADDRESS --activate` for each"
                : "users' scripts lie in a place of their own: `posthorn sieve put FILE --user "
                  "ADDRESS --activate` for each");
  }

  // A faulty one is taken, too: it is theirs, and its mail is kept.
  void add_own(const PasswdAccount& account) {
    const Path home = account.home.empty() ? fill_form(m_.home, account.name) : account.home;
    if (!home.is_absolute()) return;
    scripts::ScriptFolder folder(home);
    const auto found = folder.list();
    if (!found)
      return m_.tell_at(home.native(), 0, account.name, Fate::not_possible, found.error().what);
    for (const scripts::Listed& one : *found) {
      const auto text = folder.find_text(one.name);
      if (!text || !*text) continue;
      m_.plan().add_script({account.name, one.name, **text, one.is_active});
      for (const scripts::Fault& fault : scripts::check_script(**text).faults)
        m_.tell_at((home / "sieve" / (one.name + ".sieve")).native(), fault.line, account.name,
                   Fate::not_possible,
                   fmt::format("column {}: {}; the script is taken and does not run: mail is kept",
                               fault.column, fault.text));
    }
  }

  // The script below sieve/, or why it is none. name: "spam.sieve".
  std::string add_file(const Path& file, const std::string& name) {
    const auto text = read_file(file, kScriptMax);
    if (!text) return text.error().what;
    if (!*text) return fmt::format("there is no file {}", file.native());
    if (const auto script = sieve::compile(**text, {.name = file.native()}); !script.program) {
      for (const sieve::Fault& fault : script.faults)
        m_.tell_at(file.native(), fault.line, "", Fate::not_possible,
                   fmt::format("column {}: {}", fault.column, fault.text));
      return fmt::format("{} does not run here: see its faults", file.native());
    }
    const auto there = m_.plan().files().find("sieve/" + name);
    if (there != m_.plan().files().end() && there->second.text != **text)
      return fmt::format("sieve/{} has another text already", name);
    m_.plan().add_file("sieve/" + name, **text);
    return "";
  }

  // A file, or a folder of them in the order of their names.
  static std::vector<Path> files_of(const Path& path) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) return {path};
    std::vector<Path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path, error))
      if (entry.path().extension() == ".sieve") files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
  }

  enum class When { before, after, otherwise, included };
  void add_scripts(const DovecotSetting& setting, const Path& path, When when) {
    std::string why, names;
    if (!path.is_absolute()) why = "it lies in users' homes, and not with the administrator's";
    const std::vector<Path> files = why.empty() ? files_of(path) : std::vector<Path>();
    for (const Path& file : files) {
      std::string name = when == When::otherwise ? "default.sieve" : file.filename().native();
      if (when != When::otherwise && name == "default.sieve") name = "site-default.sieve";
      const std::string fault = add_file(file, name);
      if (!fault.empty()) {
        why += (why.empty() ? "" : "; ") + fault;
        continue;
      }
      names += fmt::format("{}sieve/{}", names.empty() ? "" : ", ", name);
      if (when == When::before) before_.push_back(name);
      if (when == When::after) after_.push_back(name);
    }
    const std::string_view what = when == When::before  ? "in sieve.before"
                                  : when == When::after ? "in sieve.after"
                                  : when == When::otherwise
                                      ? "run for who has no script of their own"
                                      : "for `include :global`";
    if (why.empty() && names.empty()) why = "there is no script in that folder";
    m_.tell(&setting, why.empty() ? Fate::taken : Fate::not_possible,
            why.empty() ? fmt::format("{}, {}", names, what)
                        : fmt::format("{}{}", names.empty() ? "" : names + " is taken; ", why));
  }

  void map_site(const DovecotSetting& setting) {
    const std::string& name = setting.name;
    add_scripts(setting, path_of(setting.value),
                name.starts_with("sieve_before")                         ? When::before
                : name.starts_with("sieve_after")                        ? When::after
                : name == "sieve_default" || name == "sieve_global_path" ? When::otherwise
                                                                         : When::included);
  }

  void map_extensions(const DovecotSetting& setting) {
    std::vector<std::string> programs, without;
    for (const std::string& word : words_of(setting.value)) {
      const std::string_view bare = std::string_view(word).substr(word.starts_with('+') ? 1 : 0);
      if (word.starts_with('-')) without.push_back(word.substr(1));
      if (std::ranges::find(kPrograms, bare) != std::end(kPrograms)) programs.emplace_back(bare);
    }
    if (!without.empty())
      return m_.tell(&setting, Fate::not_possible,
                     fmt::format("no extension can be taken away from users: {} can be used here",
                                 fmt::join(without, ", ")));
    m_.tell(&setting, programs.empty() ? Fate::already_so : Fate::not_possible,
            programs.empty() ? "what is understood may be used (src/sieve/README.md)"
                             : fmt::format("{}: no process of this server runs programs; learning "
                                           "spam is filter.learn",
                                           fmt::join(programs, ", ")));
  }

  // imapsieve_mailbox1_name, _from, _causes, _before, _after
  void map_events(const DovecotBlock& plugin) {
    constexpr std::string_view kStem = "imapsieve_mailbox";
    std::vector<std::string> numbers;
    for (const DovecotSetting& setting : plugin.settings)
      if (setting.name.starts_with(kStem))
        if (const std::string number = setting.name.substr(
                kStem.size(), setting.name.find('_', kStem.size()) - kStem.size());
            !holds(numbers, number))
          numbers.push_back(number);
    for (const std::string& number : numbers) {
      const std::string stem = fmt::format("{}{}_", kStem, number);
      const auto value = [&](std::string_view what) {
        return plugin.value_of(fmt::format("{}{}", stem, what));
      };
      std::string text;
      bool is_taken = true;
      for (const std::string_view when : {"before", "after"})
        if (const std::string path = path_of(value(when)); !path.empty())
          is_taken &= add_event({value("causes"), value("from"), value("name")}, path, text);
      for (const DovecotSetting& setting : plugin.settings)
        if (setting.name.starts_with(stem))
          m_.tell(&setting, is_taken ? Fate::taken : Fate::not_possible, text);
    }
  }
  struct Event {
    std::string causes, from, into;
  };
  bool add_event(const Event& event, const std::string& path, std::string& told) {
    const std::string name = Path(path).filename().native();
    if (const std::string fault = add_file(path, name); !fault.empty()) {
      told += fmt::format("{}{}; if it teaches spam and ham: filter.learn = \"site\", with spamd",
                          told.empty() ? "" : "; ", fault);
      return false;
    }
    std::string causes;
    for (const std::string& cause : words_of(to_upper(event.causes)))
      causes += (causes.empty() ? "" : ",") + cause;
    const std::string rule =
        fmt::format("{}{} -> {}: {}", causes.empty() ? "COPY,APPEND,FLAG" : causes,
                    event.from.empty() || event.from == "*" ? "" : " " + event.from,
                    event.into.empty() ? "*" : event.into, name);
    rules_.push_back(rule);
    told += fmt::format("{}sieve.imap has \"{}\"", told.empty() ? "" : "; ", rule);
    return true;
  }

  // 2.4: sieve_script, at the root or in the mailbox whose events it is for; imapsieve_from.
  void walk(const DovecotBlock& block, bool is_run, const std::string& into = "",
            const std::string& from = "") {
    if (block.type == "sieve_script") return map_script(block, is_run, into, from);
    for (const DovecotBlock& inner : block.blocks)
      walk(inner, is_run, block.type == "mailbox" ? block.name : into,
           block.type == "imapsieve_from" ? block.name : from);
  }
  void map_script(const DovecotBlock& block, bool is_run, const std::string& into,
                  const std::string& from) {
    const auto find = [&](std::string_view name) {
      const DovecotSetting* const found = block.find(name);
      return found != nullptr ? found : block.find(fmt::format("sieve_script_{}", name));
    };
    const auto value = [&](std::string_view name) {
      const DovecotSetting* const found = find(name);
      return found == nullptr ? std::string() : found->value;
    };
    const std::string type = value("type").empty() ? "personal" : value("type");
    const DovecotSetting* const path = find("path");
    const std::string cause = value("cause");
    if (path == nullptr) {
      // nothing to copy
    } else if (!cause.empty() || !into.empty() || !from.empty()) {
      std::string text;
      const bool is_taken = add_event({cause, from, into}, path->value, text);
      m_.tell(path, is_taken ? Fate::taken : Fate::not_possible, text);
    } else if (type == "personal") {
      map_own(*path);
    } else if (!is_run) {
      m_.tell(path, Fate::not_needed, "mail_plugins does not name sieve: Dovecot does not run it");
    } else if (type == "before" || type == "after" || type == "default" || type == "global") {
      add_scripts(*path, path->value,
                  type == "before"    ? When::before
                  : type == "after"   ? When::after
                  : type == "default" ? When::otherwise
                                      : When::included);
    }
    m_.tell_all(block, Fate::not_needed, "part of what its path tells");
  }

  void map_delimiter() {
    const DovecotSetting* const setting = m_.root().find("recipient_delimiter");
    if (setting == nullptr) return;
    if (setting->value.size() > 1)
      return m_.tell(setting, Fate::not_possible,
                     fmt::format("one character separates a tag here (maps.recipient_delimiter)"));
    m_.set("maps.recipient_delimiter", setting->value);
    m_.tell(setting, Fate::taken, fmt::format("maps.recipient_delimiter = \"{}\"", setting->value));
  }

  DovecotMapping& m_;
  std::vector<std::string> before_, after_, rules_;
};

}  // namespace

void map_scripts(DovecotMapping& mapping) {
  Scripts(mapping).map();
}

}  // namespace posthorn::takeover
