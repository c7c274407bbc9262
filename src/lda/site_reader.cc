#include "lda/site_reader.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "lda/script_doubts.h"

namespace posthorn::lda {
namespace {

constexpr std::size_t kFilesMax = 10'000;  // of a folder
constexpr std::string_view kMissing = "-";

// Those that must be there.
std::vector<Path> listed(const config::Config& config) {
  std::vector<Path> paths;
  for (const auto* names : {&config.sieve.before, &config.sieve.after})
    for (const std::string& name : *names) paths.push_back(config.paths.sieve / name);
  for (const std::string& text : config.sieve.imap)
    if (const auto rule = parse_imap_rule(text)) paths.push_back(config.paths.sieve / rule->file);
  return paths;
}

void look_into(const Path& folder, std::map<Path, std::string>& seen) {
  std::error_code error;
  std::size_t files = 0;
  for (auto at = std::filesystem::directory_iterator(folder, error);
       !error && at != std::filesystem::directory_iterator() && files < kFilesMax;
       at.increment(error))
    if (const std::string name = at->path().filename().native(); name.ends_with(kScriptSuffix)) {
      seen[at->path()] = net::stamp_of_file(at->path());
      ++files;
    }
}

std::string name_of(const Path& path) {
  const std::string file = path.filename().native();
  return file.substr(0, file.size() - kScriptSuffix.size());
}

// What was read and looks the same is not read again.
GlobalsPtr read_globals(const std::map<Path, std::string>& files, const Globals* before) {
  auto globals = std::make_shared<Globals>();
  for (const auto& [path, stamp] : files) {
    const std::string name = name_of(path);
    if (before != nullptr) {
      const auto old = before->scripts.find(name);
      if (old != before->scripts.end() && old->second.stamp == stamp) {
        globals->scripts.emplace(name, old->second);
        continue;
      }
    }
    auto text = read_file(path, sieve::libsieve::kScriptMax);
    if (!text || !*text) continue;
    globals->scripts.emplace(
        name, Globals::One{stamp, std::make_shared<const std::string>(**std::move(text))});
  }
  for (const auto& [name, one] : globals->scripts)
    globals->stamp += fmt::format("{}={};", name, one.stamp);
  return globals;
}

// A script's text to what runs it.
struct Compiled {
  std::optional<Script> script;
  config::Findings faults, warnings;
  std::vector<std::string> included;  // names
};

class Compiler {
 public:
  // kept: where included files come from first, if their last good forms are wanted.
  Compiler(const config::Config& config, const Globals& globals, const LastGood* kept = nullptr)
      : config_(config), globals_(globals), kept_(kept) {}

  Compiled compile(const std::string& text, const Path& path) const {
    if (config_.sieve.engine == config::SieveEngine::libsieve) return parse(text, path);
    Compiled out;
    if (text.find('\0') != std::string::npos) {  // UTF-16, mostly
      out.faults.push_back(
          {path.native() + ":1", "column 1: a NUL byte; save the script as UTF-8 text"});
      return out;
    }
    sieve::CompileSettings settings{.name = name_of_script(config_, path)};
    for (const auto& [name, table] : config_.sieve.lists) settings.lists.insert(name);
    settings.find_script = [&](sieve::Location location, const std::string& name) {
      if (location != sieve::Location::global) return std::optional<std::string>();
      out.included.push_back(name);
      return find(name);
    };
    settings.name_script = [](sieve::Location, const std::string& name) {
      return name_of_global(name);
    };
    sieve::CompileResult compiled = sieve::compile(text, settings);
    const auto tell = [&](const std::vector<sieve::Fault>& from, config::Weight weight,
                          config::Findings& to) {
      for (const sieve::Fault& one : from)
        to.push_back({fmt::format("{}:{}", path.native(), one.line),
                      fmt::format("column {}: {}", one.column, one.text), "", weight});
    };
    tell(compiled.faults, config::Weight::fault, out.faults);
    tell(compiled.warnings, config::Weight::warning, out.warnings);
    if (compiled.program)
      out.script = Script{.name = settings.name, .program = std::move(compiled.program)};
    return out;
  }

 private:
  Compiled parse(const std::string& text, const Path& path) const {
    Compiled out;
    auto script = sieve::libsieve::Script::parse(text, path.native());
    if (!script) {
      out.faults.push_back(config::finding_of(script.error().what));
      return out;
    }
    out.script =
        Script{.name = name_of_script(config_, path),
               .foreign = std::make_shared<const sieve::libsieve::Script>(*std::move(script))};
    return out;
  }

  std::optional<std::string> find(const std::string& name) const {
    if (kept_ != nullptr)
      if (auto copy = kept_->read(config_.paths.sieve / name_of_global(name))) return copy;
    return globals_.find(name);
  }

  const config::Config& config_;
  const Globals& globals_;
  const LastGood* kept_;
};

class Reader {
 public:
  Reader(const config::Config& config, const SiteSet* before, const LastGood& kept)
      : config_(config), before_(before), kept_(kept) {}

  SiteRead read() {
    const SiteFiles files = look_at(config_);
    next_.set = std::make_shared<SiteSet>();
    next_.set->globals =
        read_globals(files.globals, before_ == nullptr ? nullptr : before_->globals.get());
    const Path usual = config_.paths.sieve / kDefaultScript;
    const auto names = listed(config_);
    for (const auto& [path, stamp] : files.scripts) {
      if (path == usual && stamp == kMissing && std::ranges::find(names, path) == names.end()) {
        next_.outcome.findings.push_back(
            {path.native() + ":1",
             "there is no such file: mail that was marked as spam stays in INBOX",
             fmt::format("put the one of sieve/ back; if that is meant: touch {}", path.native()),
             config::Weight::warning});
        continue;
      }
      read_one(path, stamp);
    }
    for (const std::string& text : config_.sieve.imap) {
      auto rule = parse_imap_rule(text);
      if (rule)
        next_.set->imap.push_back(*std::move(rule));
      else
        next_.outcome.findings.push_back({config::place_of(config_, "sieve", "imap"),
                                          fmt::format("sieve.imap: \"{}\" is no rule", text),
                                          rule.error()});
    }
    name_all("users", next_.set->users);
    name_all("domains", next_.set->domains);
    return std::move(next_);
  }

 private:
  bool is_unchanged(const SiteSet::One& old, const std::string& stamp) const {
    return !old.stamp.empty() && old.stamp == stamp &&
           std::ranges::all_of(old.included, [&](const auto& one) {
             return stamp_of_global(one.first) == one.second;
           });
  }
  std::string stamp_of_global(const std::string& name) const {
    const auto& scripts = next_.set->globals->scripts;
    const auto found = scripts.find(name);
    return found == scripts.end() ? std::string(kMissing) : found->second.stamp;
  }
  void tell(const config::Findings& findings) {
    std::ranges::copy(findings, std::back_inserter(next_.outcome.findings));
  }

  void read_one(const Path& path, const std::string& stamp) {
    SiteSet::One& one = next_.set->scripts[path];
    const SiteSet::One* old = nullptr;
    if (before_ != nullptr)
      if (const auto found = before_->scripts.find(path); found != before_->scripts.end())
        old = &found->second;
    if (old != nullptr && is_unchanged(*old, stamp)) {
      one = *old;
      return tell(one.doubts);
    }
    auto text = read_file(path, sieve::libsieve::kScriptMax);
    if (!text || !*text) {
      next_.outcome.findings.push_back(config::finding_of(
          fmt::format("{}:1: {}", path.native(),
                      text ? "there is no such file; put it there, or take its name out of [sieve]"
                           : text.error().what)));
      next_.outcome.may_pass = true;
    } else {
      Compiled compiled = Compiler(config_, *next_.set->globals).compile(**text, path);
      if (compiled.script) return take(path, stamp, std::move(compiled), **std::move(text));
      tell(compiled.faults);
    }
    if (old != nullptr && old->script) {
      one.script = old->script;
      return;
    }
    const auto copy = kept_.read(path);
    if (!copy) return;
    one.script = Compiler(config_, *next_.set->globals, &kept_).compile(*copy, path).script;
    if (one.script) next_.stale.push_back(path);
  }

  // It is good.
  void take(const Path& path, const std::string& stamp, Compiled compiled, std::string text) {
    SiteSet::One& one = next_.set->scripts[path];
    one.script = std::move(compiled.script);
    one.stamp = stamp;
    one.doubts = std::move(compiled.warnings);
    std::ranges::move(find_doubts(*one.script, text, path), std::back_inserter(one.doubts));
    tell(one.doubts);
    next_.news.push_back(path.native());
    for (const std::string& name : compiled.included) {
      one.included[name] = stamp_of_global(name);
      if (const auto found = next_.set->globals->scripts.find(name);
          found != next_.set->globals->scripts.end())
        next_.good.emplace_back(config_.paths.sieve / name_of_global(name), found->second.text);
    }
    next_.good.emplace_back(path, std::make_shared<const std::string>(std::move(text)));
  }

  // Of two names that differ in case the lower one counts.
  void name_all(const char* folder, std::map<std::string, Path>& names) {
    for (const auto& [path, one] : next_.set->scripts) {
      if (path.parent_path() != config_.paths.sieve / folder || !one.script) continue;
      const std::string name = path.filename().native();
      const std::string lower = to_lower(name);
      if (name == lower)
        names[lower] = path;
      else
        names.try_emplace(lower, path);
    }
  }

  const config::Config& config_;
  const SiteSet* before_;
  const LastGood& kept_;
  SiteRead next_;
};

}  // namespace

std::optional<std::string> Globals::find(const std::string& name) const {
  const auto found = scripts.find(name);
  return found == scripts.end() ? std::nullopt : std::optional(*found->second.text);
}

const Script* SiteSet::find(const Path& path) const {
  const auto found = scripts.find(path);
  return found == scripts.end() || !found->second.script ? nullptr : &*found->second.script;
}

std::string name_of_script(const config::Config& config, const Path& path) {
  const Path beneath = path.lexically_relative(config.paths.sieve);
  return beneath.empty() || *beneath.begin() == ".." ? path.native() : beneath.native();
}

std::string name_of_global(std::string_view name) {
  return fmt::format("{}{}", name, kScriptSuffix);
}

SiteFiles look_at(const config::Config& config) {
  SiteFiles seen;
  for (const Path& path : listed(config)) seen.scripts[path] = net::stamp_of_file(path);
  const Path usual = config.paths.sieve / kDefaultScript;
  seen.scripts[usual] = net::stamp_of_file(usual);
  for (const char* folder : {"users", "domains"})
    look_into(config.paths.sieve / folder, seen.scripts);
  if (config.sieve.engine == config::SieveEngine::posthorn)
    look_into(config.paths.sieve, seen.globals);
  return seen;
}

std::string stamp_of(const SiteFiles& files) {
  std::string text;
  for (const auto* some : {&files.scripts, &files.globals})
    for (const auto& [path, stamp] : *some) text += fmt::format("{}={};", path.native(), stamp);
  return text;
}

SiteRead read_site(const config::Config& config, const SiteSet* before, const LastGood& kept) {
  SiteRead read = Reader(config, before, kept).read();
  if (config.sieve.engine == config::SieveEngine::libsieve)
    read.outcome.findings.push_back(doubt_of_libsieve(config));
  return read;
}

}  // namespace posthorn::lda
