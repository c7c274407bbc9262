#include "tools/import_config.h"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/ascii.h"
#include "config/config.h"
#include "takeover/dovecot_map.h"
#include "takeover/pgsql_query.h"
#include "takeover/postfix_map.h"
#include "tools/check.h"
#include "tools/complain.h"
#include "tools/dms_takeover.h"
#include "tools/import_files.h"
#include "tools/import_scripts.h"
#include "tools/init_answers.h"
#include "tools/instance.h"
#include "tools/settings.h"

namespace posthorn::tools {
namespace {

using takeover::Plan;
using takeover::Report;

constexpr std::uint64_t kFileMax = 64U << 20U;

Result<std::string> read_text(const Path& file) {
  TRY(auto text, read_file(file, kFileMax));
  if (!text)
    return fail(ErrorKind::config, fmt::format("{}: there is no such file", file.native()));
  return *std::move(text);
}

// The file itself, or the one of that name in the folder.
Path file_in(const Path& place, std::string_view name) {
  std::error_code error;
  if (std::filesystem::is_directory(place, error)) {
    const Path file = place / name;
    return std::filesystem::exists(file, error) ? file : Path();
  }
  return place.filename() == name ? place : Path();
}

Result<> read_postfix(const Path& main, ReadConfig& read) {
  TRY(const std::string text, read_text(main));
  takeover::PostfixFiles files{.main = takeover::parse_main_cf(text, main.native()),
                               .master = {},
                               .passwd = main.parent_path().parent_path() / "passwd",
                               .hostname = look_at_machine().name};
  const Path master = main.parent_path() / "master.cf";
  if (const auto services = read_text(master))
    files.master = takeover::parse_master_cf(*services, master.native());
  takeover::map_postfix(files, read.plan, read.report);
  return {};
}

Result<> read_dovecot(const Path& file, ReadConfig& read) {
  TRY(const auto conf, takeover::read_dovecot_conf(file));
  takeover::map_dovecot(conf, read.plan, read.report);
  return {};
}

std::string json_of(const ReadConfig& read) {
  nlohmann::ordered_json json;
  json["lines"] = nlohmann::ordered_json::array();
  for (const takeover::Line& line : read.report.lines())
    json["lines"].push_back({{"file", line.file},
                             {"line", line.line},
                             {"name", line.name},
                             {"value", line.value},
                             {"fate", to_string(line.fate)},
                             {"text", line.text}});
  json["settings"] = nlohmann::ordered_json::object();
  for (const auto& [key, setting] : read.plan.settings())
    json["settings"][key] = {{"value", setting.value}, {"source", setting.source}};
  json["tables"] = nlohmann::ordered_json::object();
  for (const auto& [table, entries] : read.plan.tables()) json["tables"][table] = entries.size();
  json["accounts"] = read.plan.accounts().size();
  // Strangers' files may hold what is no UTF-8.
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void show(const ImportConfigOptions& options, const ReadConfig& read) {
  if (options.as_json) {
    fmt::print("{}\n", json_of(read));
    return;
  }
  fmt::print("{}", read.report.to_text());
  for (const auto& [table, entries] : read.plan.tables())
    fmt::print("  {} {} for maps/{}\n", entries.size(), entries.size() == 1 ? "line" : "lines",
               table);
  if (!read.plan.accounts().empty())
    fmt::print("  {} for conf/users\n", read.plan.accounts().size());
}

std::string plain(const std::string& quoted) {
  return quoted.size() > 1 && quoted.front() == '"' ? quoted.substr(1, quoted.size() - 2) : quoted;
}

InitOptions init_options(const ImportConfigOptions& options, const ReadConfig& read) {
  const Plan& plan = read.plan;
  InitOptions init;
  init.dms = read.dms;
  init.folder = options.into;
  init.hostname = options.hostname;
  if (const auto host = plan.settings().find("server.hostname");
      init.hostname.empty() && host != plan.settings().end())
    init.hostname = plain(host->second.value);
  if (const auto domains = plan.tables().find("domains"); domains != plan.tables().end())
    for (const takeover::Entry& entry : domains->second) init.domains.push_back(entry.key);
  init.domains.insert(init.domains.end(), read.dms.domains.begin(), read.dms.domains.end());
  if (init.domains.empty()) init.domains = {init.hostname};
  init.listen = options.listen;
  init.port_base = options.port_base;
  init.mail = options.mail;
  init.profile = "default";
  return init;
}

// The settings that nobody has set in the new file: those with their default, and those that were
// made by its making. Where each came from stands above it.
Result<> write_settings(const Path& file, const std::string& before,
                        const ImportConfigOptions& options, const Plan& plan) {
  TRY(const std::string text, read_text(file));
  const std::string usual = config::to_toml(config::Config{});
  Settings changes;
  for (const auto& [key, setting] : plan.settings()) {
    const std::string section = key.substr(0, key.rfind('.'));
    const std::string name = key.substr(key.rfind('.') + 1);
    // Said by an option, or made of what was said.
    const bool is_said =
        key == "server.hostname" || (section == "listen" && setting.value != "[]" &&
                                     (options.port_base >= 0 || !options.listen.empty()));
    const auto own = find_setting(before, section, name);
    const auto is = find_setting(text, section, name);
    if (is_said || is == setting.value || (own && own != find_setting(usual, section, name)))
      continue;
    changes[key] = setting;
  }
  if (changes.empty()) return {};
  TRY(const std::string edited, with_settings(text, std::move(changes)));
  TRY_OK(config::parse(edited, file));  // what cannot be read is not put there
  return replace_keeping_rights(file, edited);
}

Result<> write_all(const ImportConfigOptions& options, const ReadConfig& read) {
  const Plan& plan = read.plan;
  const InitOptions init = init_options(options, read);
  TRY_OK(check_place(init.folder));
  TRY_OK(check_init(init));
  // Before init's own of the same name, as sieve/default.sieve.
  for (const auto& [place, file] : plan.files()) TRY_OK(put_file(init.folder / place, file));
  const Path conf = init.folder / "conf/posthorn.toml";
  std::string before;  // what somebody wrote there
  if (const auto there = read_text(conf)) before = *there;
  TRY(const config::Config made, make_instance(init));
  for (const auto& [table, entries] : plan.tables())
    TRY_OK(add_lines(made.paths.maps / table, entries));
  TRY_OK(add_accounts(made.paths.users, plan.accounts()));
  for (const takeover::Copy& copy : plan.copies()) TRY_OK(put_copy(init.folder, copy));
  return write_settings(conf, before, options, plan);
}

// What is made is told on standard error while standard output is a program's.
class ToldAside {
 public:
  explicit ToldAside(const ImportConfigOptions& options) {
    if (!options.as_json) return;
    std::fflush(stdout);
    kept_ = File(::dup(STDOUT_FILENO));
    if (kept_.is_open()) ::dup2(STDERR_FILENO, STDOUT_FILENO);
  }
  ~ToldAside() {
    if (!kept_.is_open()) return;
    std::fflush(stdout);
    ::dup2(kept_.fd(), STDOUT_FILENO);
  }
  ToldAside(const ToldAside&) = delete;
  ToldAside& operator=(const ToldAside&) = delete;

 private:
  File kept_;
};

}  // namespace

Result<ReadConfig> read_old_config(const ImportConfigOptions& options) {
  ReadConfig read;
  if (options.places.empty() && options.dms.empty())
    return fail(ErrorKind::config,
                "name the folders of the old server: /etc/postfix /etc/dovecot, or --from-dms DIR");
  for (const Path& place : options.places) {
    const Path main = file_in(place, "main.cf"), dovecot = file_in(place, "dovecot.conf");
    if (main.empty() && dovecot.empty())
      return fail(ErrorKind::config,
                  fmt::format("{}: neither main.cf nor dovecot.conf is there; name the folder that "
                              "holds one, as /etc/postfix",
                              place.native()));
    if (!main.empty()) TRY_OK(read_postfix(main, read));
  }
  // Which addresses there are, the MTA's tables say.
  for (const Path& place : options.places)
    if (const Path file = file_in(place, "dovecot.conf"); !file.empty())
      TRY_OK(read_dovecot(file, read));
  if (!options.dms.empty()) {
    TRY(read.dms, take_over_dms(options.dms, read.plan, read.report));
  }
  takeover::map_queries(read.plan, read.report);
  return read;
}

int import_config(const ImportConfigOptions& given) {
  ImportConfigOptions options = given;
  if (options.into.empty()) options.into = Path(kDefaultConfig).parent_path().parent_path();
  options.into = std::filesystem::absolute(options.into).lexically_normal();
  const auto read = read_old_config(options);
  if (!read) return complain(read.error().what);
  show(options, *read);
  if (options.is_dry) {
    const InitOptions init = init_options(options, *read);
    if (const auto place = check_place(init.folder); !place) return complain(place.error().what);
    if (const auto fits = check_init(init); !fits) return complain(fits.error().what);
    if (!options.as_json)
      fmt::print("\nNothing was written. Without --dry-run it goes into {}.\n",
                 options.into.native());
    return 0;
  }
  const ToldAside aside(options);
  if (const auto written = write_all(options, *read); !written)
    return complain(written.error().what +
                    "; what is written already is whole, run it again when "
                    "that is mended");
  const Path conf = options.into / "conf/posthorn.toml";
  const auto config = config::load(conf);
  if (!config) return complain(config.error().what);
  if (const auto put = import_scripts(*config, read->plan.scripts()); !put)
    return complain(put.error().what + "; run it again when that is mended");
  fmt::print("\nposthorn check:\n");
  std::fflush(stdout);
  const int checked = check_instance(*config);
  fmt::print(
      "\nNext: stop the old server, then start this one: posthorn serve{}\n"
      "Its mail: posthorn import maildir FOLDER --user ADDRESS\n"
      "What it would do with an address: posthorn explain rcpt ADDRESS\n",
      conf == kDefaultConfig ? "" : " -c " + conf.native());
  return checked;
}

}  // namespace posthorn::tools
