#include "tools/dms_takeover.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>

#include "base/ascii.h"
#include "config/config.h"
#include "config/finding.h"
#include "config/other_names.h"
#include "deliver/dkim_key.h"
#include "message/dkim.h"
#include "takeover/dovecot_map.h"

namespace posthorn::tools {
namespace {

using takeover::Fate;

constexpr std::uint64_t kFileMax = 4U << 20U;
constexpr std::string_view kVariables = "mailserver.env";
constexpr std::string_view kDovecot = "dovecot.cf";

std::size_t lines_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// "NAME=value" lines, as docker's --env-file has them: quotes are part of the value there, and yet
// people write them.
config::Variables variables_in(std::string_view text) {
  config::Variables variables;
  while (!text.empty()) {
    const std::size_t lf = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, lf), " \t\r");
    text.remove_prefix(std::min(lf + 1, text.size()));
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos || equals == 0) continue;
    std::string_view value = trim(line.substr(equals + 1));
    if (value.size() > 1 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    variables[std::string(line.substr(0, equals))] = value;
  }
  return variables;
}

// The value of a key as posthorn.toml has it: "[]", "\"info\"", "50MB" in quotes.
std::string value_in(std::string_view toml, std::string_view section, std::string_view key) {
  std::string at;
  while (!toml.empty()) {
    const std::size_t lf = std::min(toml.find('\n'), toml.size());
    const std::string_view line = toml.substr(0, lf);
    toml.remove_prefix(std::min(lf + 1, toml.size()));
    if (line.starts_with('[')) at = line.substr(1, line.find(']') - 1);
    if (at == section && line.starts_with(key) && line.substr(key.size()).starts_with(" = "))
      return std::string(line.substr(key.size() + 3));
  }
  return "";
}

class Takeover {
 public:
  Takeover(const Path& folder, takeover::Plan& plan, takeover::Report& report)
      : folder_(folder), plan_(plan), report_(report) {}

  Result<DmsFiles> read() {
    TRY(DmsFiles files, read_dms_files(folder_));
    tell_taken(files);
    tell_left_out(files);
    TRY_OK(read_variables());
    TRY_OK(read_dovecot());
    TRY_OK(read_rspamd_keys(files));
    read_certificates();
    return files;
  }

 private:
  void tell(std::string_view file, std::string_view name, Fate fate, std::string text) {
    report_.add({(folder_ / file).native(), 0, std::string(name), "", fate, std::move(text)});
  }

  void tell_taken(const DmsFiles& files) {
    const auto count = [&](std::string_view file, const std::string& lines, std::string_view what) {
      if (!lines.empty())
        tell(file, "", Fate::taken, fmt::format("{}: {} lines", what, lines_in(lines)));
    };
    count(
        "postfix-accounts.cf", files.users,
        "conf/users, with the hashes as they are and limits of dovecot-quotas.cf; maps/mailboxes");
    count("postfix-virtual.cf", files.aliases, "maps/aliases");
    count("postfix-regexp.cf", files.alias_patterns, "maps/aliases.regexp");
    count("postfix-sasl-password.cf", files.relay_sasl, "maps/relay-sasl");
    count("postfix-relaymap.cf", files.sender_relays, "maps/sender-relays");
    for (const auto& [name, text] : files.scripts)
      tell("", name, Fate::taken, fmt::format("sieve/{}", name));
    for (const DmsFiles::DkimKey& key : files.dkim_keys)
      tell("opendkim/keys", key.domain, Fate::taken,
           fmt::format("dkim/{}/{}.pem: its record in the DNS stays as it is", key.domain,
                       key.selector));
  }

  // "file:line: reason"
  void tell_left_out(const DmsFiles& files) {
    for (const std::string& text : files.left_out) {
      const config::Finding finding = config::finding_of(text);
      std::string file = finding.where;
      std::size_t line = 0;
      if (const std::size_t colon = file.rfind(':'); colon != file.npos)
        if (const auto number = to_number<std::size_t>(file.substr(colon + 1))) {
          line = *number;
          file = file.substr(0, colon);
        }
      const std::string name = Path(file).filename().native();
      if (name == kDovecot || name == kVariables || name == "ssl" || name == "rspamd") continue;
      report_.add({file, line, line == 0 ? "" : name, "", Fate::not_possible, finding.reason});
    }
  }

  Result<> read_variables() {
    TRY(const auto text, read_file(folder_ / kVariables, kFileMax));
    const config::Variables variables = variables_in(text.value_or(""));
    const auto is_on = [&](std::string_view name) {
      const auto found = variables.find(std::string(name));
      return found != variables.end() && found->second == "1";
    };
    // Off there unless they are switched on.
    const std::pair<std::string_view, std::vector<std::string>> services[] = {
        {"ENABLE_POP3", {"listen.pop3", "listen.pop3s"}},
        {"ENABLE_MANAGESIEVE", {"listen.managesieve"}}};
    for (const auto& [name, keys] : services) {
      if (is_on(name)) continue;
      for (const std::string& key : keys) plan_.set_list(key, {}, std::string(name));
      tell(kVariables, name, Fate::taken,
           fmt::format("{} is closed, as it is there unless this is 1", keys.front()));
    }
    if (!text) {
      tell(kVariables, "", Fate::not_possible,
           "it is not in this folder: copy docker-mailserver's file of variables into it, or set "
           "the same variables for this server");
      return {};
    }
    const auto overrides = config::find_other_names(variables);
    for (const config::Override& one : overrides) set(one);
    for (const std::string& idle : config::find_idle_names(variables)) {
      const std::size_t blank = std::min(idle.find(' '), idle.size());
      tell(kVariables, idle.substr(0, blank), Fate::not_possible, idle);
    }
    for (const auto& [name, value] : variables)
      if (name == "OVERRIDE_HOSTNAME" && !value.empty()) {
        plan_.set_text("server.hostname", value, std::string(kVariables));
        tell(kVariables, name, Fate::taken, fmt::format("server.hostname = \"{}\"", value));
      }
    return {};
  }
  void set(const config::Override& one) {
    const std::string key = fmt::format("{}.{}", one.section, one.key);
    const auto config = config::parse("", folder_ / kVariables, {one});
    if (!config) return tell(kVariables, one.variable, Fate::not_possible, config.error().what);
    const std::string value = value_in(config::to_toml(*config), one.section, one.key);
    if (one.section == "paths") {
      // A path of the container's, which is another one here.
      return tell(kVariables, one.variable, Fate::not_possible,
                  fmt::format("{} is a path within that container: `posthorn certificate install "
                              "--cert F --key F` takes the pair",
                              one.value));
    }
    plan_.set(key, value, fmt::format("{} {}", kVariables, one.variable));
    tell(kVariables, one.variable, Fate::taken, fmt::format("{} = {}", key, value));
  }

  // It is added to docker-mailserver's own configuration, which is not there: of what it does not
  // say nothing follows.
  Result<> read_dovecot() {
    TRY(const auto info, find_file_info(folder_ / kDovecot));
    if (!info) return {};
    TRY(const auto conf, takeover::read_dovecot_conf(folder_ / kDovecot));
    takeover::Plan more;
    takeover::Report told;
    takeover::map_dovecot(conf, more, told);
    const bool has_ports =
        conf.root.find("protocols") != nullptr ||
        std::ranges::find(conf.root.blocks, "service", &takeover::DovecotBlock::type) !=
            conf.root.blocks.end();
    for (const auto& [key, setting] : more.settings())
      if (!key.starts_with("listen.") && !key.starts_with("paths.") && key != "store.location")
        plan_.set(key, setting.value, setting.source);
    for (takeover::Line line : told.lines()) {
      if (line.line == 0 && line.name == "protocols") continue;
      if (has_ports && line.fate == Fate::taken && line.text.starts_with("listen.")) {
        line.fate = Fate::not_possible;
        line.text += ": ports of a container are published by docker; set them in [listen]";
      }
      report_.add(std::move(line));
    }
    return {};
  }

  // rspamd/dkim/rsa-2048-SELECTOR-DOMAIN.private.txt, as `setup config dkim` calls them.
  Result<> read_rspamd_keys(DmsFiles& files) {
    std::vector<Path> found;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "rspamd/dkim", error))
      if (entry.path().native().ends_with(".private.txt")) found.push_back(entry.path());
    std::ranges::sort(found);
    for (const Path& file : found) {
      std::string name = file.filename().native();
      name.resize(name.size() - std::string_view(".private.txt").size());
      std::string_view rest = name;
      rest.remove_prefix(std::min(rest.find('-') + 1, rest.size()));  // rsa, ed25519
      if (const std::string_view size = rest.substr(0, rest.find('-')); to_number<unsigned>(size))
        rest.remove_prefix(size.size() + 1);
      const std::string selector = to_lower(rest.substr(0, rest.find('-')));
      const std::string domain = to_lower(rest.substr(std::min(selector.size() + 1, rest.size())));
      TRY(const auto pem, read_file(file, 64U << 10U));
      const auto key = deliver::DkimKey::parse(pem.value_or(""));
      const std::string place = "rspamd/dkim/" + file.filename().native();
      if (!key || !message::is_dkim_name(domain) || !message::is_dkim_name(selector)) {
        tell(place, "", Fate::not_possible,
             fmt::format("{}; `posthorn dkim key DOMAIN` makes one",
                         key ? "its name is not of the form KIND-SELECTOR-DOMAIN.private.txt"
                             : key.error().what));
        continue;
      }
      if (std::ranges::any_of(files.dkim_keys, [&](const DmsFiles::DkimKey& one) {
            return one.domain == domain && one.selector == selector;
          })) {
        tell(place, domain, Fate::not_needed, "opendkim's key of this selector is taken");
        continue;
      }
      files.dkim_keys.push_back({domain, selector, *pem});
      tell(place, domain, Fate::taken,
           fmt::format("dkim/{}/{}.pem: its record in the DNS stays as it is", domain, selector));
    }
    if (std::filesystem::exists(folder_ / "rspamd", error))
      tell("rspamd", "", Fate::not_possible,
           "the filter is SpamAssassin's spamd (filter.spamd): rspamd's settings have no "
           "counterpart");
    return {};
  }

  // ssl/NAME-cert.pem and ssl/NAME-key.pem, of SSL_TYPE=self-signed.
  void read_certificates() {
    std::error_code error;
    std::vector<std::string> names;
    constexpr std::string_view kEnd = "-cert.pem";
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "ssl", error))
      if (const std::string name = entry.path().filename().native(); name.ends_with(kEnd))
        names.push_back(name.substr(0, name.size() - kEnd.size()));
    std::ranges::sort(names);
    for (const std::string& name : names) {
      const Path cert = folder_ / "ssl" / (name + "-cert.pem");
      const Path key = folder_ / "ssl" / (name + "-key.pem");
      const std::string place = "ssl/" + name + "-cert.pem";
      if (!std::filesystem::exists(key, error) || name.empty() || name.starts_with('.')) {
        tell(place, "", Fate::not_possible,
             "its key is not beside it: `posthorn certificate "
             "install --cert F --key F` takes a pair");
        continue;
      }
      plan_.copy({cert, Path("tls/names") / name / "fullchain.pem", 0644});
      plan_.copy({key, Path("tls/names") / name / "privkey.pem", 0640});
      tell(place, "", Fate::taken, fmt::format("tls/names/{}, for whoever asks for it", name));
    }
  }

  Path folder_;
  takeover::Plan& plan_;
  takeover::Report& report_;
};

}  // namespace

Result<DmsFiles> take_over_dms(const Path& folder, takeover::Plan& plan, takeover::Report& report) {
  return Takeover(folder, plan, report).read();
}

}  // namespace posthorn::tools
