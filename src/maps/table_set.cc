#include "maps/table_set.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>

#include "base/ascii.h"
#include "base/events.h"
#include "maps/regexp_table.h"
#include "message/idna.h"

namespace posthorn::maps {
namespace {

constexpr std::uint64_t kFileMax = 256U << 20U;

struct TextSource {
  std::string path;
  std::vector<Entry> entries;
};

class Loader {
 public:
  Loader(const config::Config& config, const TableSet* before, Pgsql* database)
      : config_(config), before_(before), database_(database), set_(std::make_shared<TableSet>()) {
    set_->database = database;
  }

  Loaded load() {
    load_list(config_.maps.domains, set_->domains, domains_, Question::domains);
    load_list(config_.maps.mailboxes, set_->mailboxes, mailboxes_, Question::mailboxes);
    load_list(config_.maps.aliases, set_->aliases, aliases_, Question::aliases);
    load_list(config_.maps.senders, set_->senders, senders_, Question::senders);
    load_list(config_.maps.transport, set_->transport, transport_, Question::transport);
    load_list(config_.maps.sender_relays, set_->sender_relays, sender_relays_,
              Question::sender_relays);
    load_list({config_.maps.relay_sasl}, set_->relay_sasl, relay_sasl_, Question::relay_sasl);
    if (config_.route.by_local_part)
      load_list(config_.maps.vusers, set_->vusers, vusers_, Question::vusers);
    if (faults_.empty()) check_values();
    if (all_text_ && faults_.empty()) cross_check();
    Loaded loaded{nullptr, std::move(faults_), std::move(warnings_), unread_};
    if (loaded.faults.empty()) {
      for (const TextSource& source : domains_)
        for (const Entry& entry : source.entries) set_->domain_names.push_back(entry.key);
      set_->warnings = loaded.warnings;
      loaded.set = std::move(set_);
    }
    return loaded;
  }

 private:
  void load_list(const std::vector<std::string>& names, TableList& list,
                 std::vector<TextSource>& sources, Question question) {
    const bool required = question == Question::domains || question == Question::mailboxes;
    // What cannot be listed cannot be checked against the others.
    const bool is_checked = required || question == Question::aliases;
    for (const std::string& name : names) {
      if (name.empty()) continue;
      const auto parsed = parse_table_name(name);
      if (!parsed) {
        faults_.push_back({config_.file.native() + ":1", parsed.error().what});
        continue;
      }
      if (parsed->type != "text" && is_checked) all_text_ = false;
      if (parsed->type == "static") {
        list.tables.push_back(std::make_unique<StaticTable>(parsed->rest));
        continue;
      }
      if (parsed->type == "pgsql") {
        list.tables.push_back(std::make_unique<PgsqlTable>(database_, question));
        continue;
      }
      const Path path = config_.paths.maps / parsed->rest;
      const auto text = read_file(path, kFileMax);
      if (!text) {
        faults_.push_back({path.native() + ":1", text.error().what});
        unread_ = true;
      } else if (!*text) {
        if (required || had_entries(path.native())) {
          faults_.push_back({path.native() + ":1", "there is no such file"});
          unread_ = true;
        }
      } else if (parsed->has_patterns()) {
        auto table = RegexpTable::parse(**text, path.native(), RegexpTable::syntax_of(*parsed));
        if (table)
          list.tables.push_back(*std::move(table));
        else
          faults_.push_back(split_finding(table.error().what));
      } else {
        load_text(**text, path.native(), list, sources);
      }
    }
  }

  bool had_entries(const std::string& path) const {
    if (before_ == nullptr) return false;
    const auto found = before_->entry_counts.find(path);
    return found != before_->entry_counts.end() && found->second > 0;
  }

  // "path:line: reason"
  static Finding split_finding(const std::string& text) {
    const std::size_t colon = text.find(": ");
    return {text.substr(0, colon), text.substr(std::min(colon, text.size() - 2) + 2)};
  }

  void load_text(std::string_view text, const std::string& path, TableList& list,
                 std::vector<TextSource>& sources) {
    if (text.empty() && had_entries(path))
      faults_.push_back(
          {path + ":1", "the file has become empty (a comment in it makes that meant)"});
    TextFile file = parse_text(text, path);
    set_->entry_counts[path] = file.entries.size();
    std::ranges::move(file.faults, std::back_inserter(faults_));
    std::ranges::move(file.warnings, std::back_inserter(warnings_));
    sources.push_back({path, file.entries});
    list.tables.push_back(std::make_unique<TextTable>(std::move(file.entries)));
  }

  void cross_check() {
    for (const TextSource& source : domains_)
      for (const Entry& entry : source.entries) local_domains_.insert(entry.key);
    for (const TextSource& source : mailboxes_)
      for (const Entry& entry : source.entries) check_mailbox(source, entry);
    for (const TextSource& source : aliases_)
      for (const Entry& entry : source.entries)
        alias_values_.emplace(entry.key, split_list(entry.value));
    for (const TextSource& source : aliases_)
      for (const Entry& entry : source.entries) check_alias(source, entry);
  }

  // What needs no other table.
  void check_values() {
    for (const TextSource& source : transport_)
      for (const Entry& entry : source.entries)
        if (!entry.value.starts_with("smtp:") && !entry.value.starts_with("error:") &&
            entry.value != ":")
          fault(source, entry,
                fmt::format("\"{}\" is no transport (known: smtp: error:)", entry.value));
    for (const TextSource& source : sender_relays_)
      for (const Entry& entry : source.entries)
        if (entry.key.find('@') == std::string::npos ||
            entry.value.find_first_of(" \t") != std::string::npos)
          fault(source, entry, "the form is an address or @domain, and [host]:port");
    for (const TextSource& source : relay_sasl_)
      for (const Entry& entry : source.entries)
        if (entry.value.find(':') == std::string::npos)
          fault(source, entry, fmt::format("the value of {} is user:password", entry.key));
  }

  void fault(const TextSource& source, const Entry& entry, std::string reason) {
    faults_.push_back({fmt::format("{}:{}", source.path, entry.line), std::move(reason)});
  }

  bool has_local_domain(const TextSource& source, const Entry& entry) {
    const std::size_t at = entry.key.rfind('@');
    if (at == std::string::npos) {
      fault(source, entry, fmt::format("{} has no domain", entry.key));
      return false;
    }
    const std::string domain = entry.key.substr(at + 1);
    if (local_domains_.contains(domain)) return true;
    fault(source, entry,
          fmt::format("the domain {} of {} is not in maps/domains", domain, entry.key));
    return false;
  }

  void check_mailbox(const TextSource& source, const Entry& entry) {
    if (!has_local_domain(source, entry)) return;
    if (entry.key.starts_with('@'))
      return fault(source, entry, "a mailbox needs a name before the @");
    local_mailboxes_.insert(entry.key);
  }

  void check_alias(const TextSource& source, const Entry& entry) {
    if (!has_local_domain(source, entry)) return;
    for (const std::string& target : alias_values_[entry.key]) {
      const AddressKeys keys = keys_of(target, config_.maps.recipient_delimiter);
      if (target.find('@') == std::string::npos || target.starts_with('@')) {
        fault(source, entry, fmt::format("{} is no address", target));
      } else if (local_domains_.contains(keys.domain.substr(1)) && !exists(keys)) {
        fault(source, entry,
              fmt::format("{} leads to {}, which is neither a mailbox nor an alias", entry.key,
                          target));
      }
    }
    std::vector<std::string> way;
    if (!depth_of(entry.key, way))
      fault(source, entry, fmt::format("{} never ends: {}", entry.key, fmt::join(way, " -> ")));
  }

  bool exists(const AddressKeys& keys) const {
    return local_mailboxes_.contains(keys.full) || local_mailboxes_.contains(keys.untagged) ||
           alias_values_.contains(keys.full) || alias_values_.contains(keys.untagged) ||
           alias_values_.contains(keys.domain);
  }

  const std::vector<std::string>* alias_of(const AddressKeys& keys) const {
    for (const std::string* key : {&keys.full, &keys.untagged}) {
      if (const auto found = alias_values_.find(*key); found != alias_values_.end())
        return &found->second;
      if (local_mailboxes_.contains(*key)) return nullptr;
    }
    const auto found = alias_values_.find(keys.domain);
    return found != alias_values_.end() ? &found->second : nullptr;
  }

  // An alias that is one of its own targets keeps a copy: no loop. One that comes back to itself
  // over another is. Gives how many aliases follow one another from key on; nullopt: too many, and
  // way is how. What was walked once is not walked again, or lists of lists would take for ever.
  std::optional<std::size_t> depth_of(const std::string& key, std::vector<std::string>& way) {
    way.push_back(key);
    std::size_t deepest = 0;
    if (const auto known = depths_.find(key); known != depths_.end()) {
      deepest = known->second;
    } else if (way.size() <= config_.maps.depth_max + 1) {
      const auto* targets = alias_of(keys_of(key, config_.maps.recipient_delimiter));
      if (key.starts_with('@')) {
        const auto catch_all = alias_values_.find(key);
        targets = catch_all != alias_values_.end() ? &catch_all->second : nullptr;
      }
      for (const std::string& target : targets ? *targets : std::vector<std::string>()) {
        if (target == key) continue;
        if (std::ranges::find(way, target) != way.end()) {
          way.push_back(target);
          return std::nullopt;
        }
        const auto below = depth_of(target, way);
        if (!below) return std::nullopt;
        deepest = std::max(deepest, *below + 1);
      }
    }
    if (way.size() + deepest > config_.maps.depth_max + 1) return std::nullopt;
    depths_[key] = deepest;
    way.pop_back();
    return deepest;
  }

  const config::Config& config_;
  const TableSet* before_;
  Pgsql* database_;
  std::shared_ptr<TableSet> set_;
  std::vector<TextSource> domains_, mailboxes_, aliases_, senders_, transport_, sender_relays_,
      relay_sasl_, vusers_;
  std::set<std::string> local_domains_, local_mailboxes_;
  std::unordered_map<std::string, std::vector<std::string>> alias_values_;
  std::unordered_map<std::string, std::size_t> depths_;
  std::vector<Finding> faults_, warnings_;
  bool all_text_ = true;
  bool unread_ = false;
};

}  // namespace

net::Task<std::optional<std::string>> TableList::find(std::string key) const {
  for (const auto& table : tables) {
    CO_TRY(auto value, co_await table->find(key));
    if (value) co_return value;
  }
  // "müller.test" is "xn--mller-kva.test", whichever of them a table has.
  const auto other = message::other_form(key);
  if (!other) co_return std::nullopt;
  for (const auto& table : tables) {
    CO_TRY(auto value, co_await table->find(*other));
    if (value) co_return value;
  }
  co_return std::nullopt;
}

net::Task<std::optional<std::string>> TableList::find_part(std::string key) const {
  for (const auto& table : tables) {
    if (table->has_patterns()) continue;
    CO_TRY(auto value, co_await table->find(key));
    if (value) co_return value;
  }
  const auto other = message::other_form(key);
  if (!other) co_return std::nullopt;
  for (const auto& table : tables) {
    if (table->has_patterns()) continue;
    CO_TRY(auto value, co_await table->find(*other));
    if (value) co_return value;
  }
  co_return std::nullopt;
}

std::vector<std::string> TableSet::local_domains() const {
  std::vector<std::string> names = domain_names;
  if (database == nullptr) return names;
  for (const std::string& name : database->domain_names())
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

Loaded load_tables(const config::Config& config, const TableSet* before, Pgsql* database) {
  return Loader(config, before, database).load();
}

std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> items;
  std::string item;
  bool quoted = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    // A pattern may put a stranger's quoted local part in here: what stands in quotes is no list.
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\' && i + 1 < value.size()) item += value[i++];
    if (!quoted && (c == ',' || c == ' ' || c == '\t')) {
      if (!item.empty()) items.push_back(to_lower(std::exchange(item, {})));
    } else {
      item += value[i];
    }
  }
  if (!item.empty()) items.push_back(to_lower(item));
  return items;
}

AddressKeys keys_of(std::string_view address, std::string_view delimiter) {
  AddressKeys keys;
  keys.full = to_lower(address);
  const std::size_t at = keys.full.rfind('@');
  const std::size_t local_end = at == std::string::npos ? keys.full.size() : at;
  keys.domain = at == std::string::npos ? "" : keys.full.substr(at);
  keys.untagged = keys.full;
  const std::size_t mark =
      delimiter.empty() ? std::string::npos : keys.full.find_first_of(delimiter, 1);
  if (mark != std::string::npos && mark < local_end && keys.full.front() != '"') {
    keys.untagged = keys.full.substr(0, mark) + keys.domain;
    keys.tag =
        address.substr(mark + 1, local_end - mark - 1);  // as it was written: a folder's name
  }
  return keys;
}

Reloader::Reloader(net::Scope& scope, net::BlockingPool& pool, const config::Config& config,
                   std::shared_ptr<const TableSet> first, Pgsql* database)
    : scope_(scope),
      pool_(pool),
      config_(config),
      database_(database),
      stopped_(scope.executor()),
      current_(std::move(first)),
      retry_(config.maps.poll_interval) {}

// What changes when a file is edited, replaced, made or removed. A few stat calls.
std::string Reloader::stamp() const {
  std::string text;
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto parsed = parse_table_name(name);
      if (!parsed || !parsed->is_file()) continue;
      // What a symbolic link leads to may be edited too.
      std::error_code ignored;
      const Path path = config_.paths.maps / parsed->rest;
      const Path real = std::filesystem::canonical(path, ignored);
      const auto info = find_file_info(real.empty() ? path : real);
      if (info && *info)
        text += fmt::format("{}:{}:{}:{};", name, (*info)->inode, (*info)->size,
                            (*info)->modified.time_since_epoch().count());
      else
        text += name + ":-;";
    }
  };
  for (const auto* names : config_.maps.lists()) add(*names);
  add({config_.maps.relay_sasl});
  return text;
}

net::Task<> Reloader::start() {
  const auto faults = co_await reload(true);
  if (!faults.empty()) {
    std::string text;
    for (const Finding& finding : faults) text += (text.empty() ? "" : "\n") + finding.text();
    co_return fail(ErrorKind::config, text);
  }
  scope_.spawn(watch(this));
  co_return Result<>{};
}

net::Awaitable<std::vector<Finding>> Reloader::reload(bool force) {
  if (!force && stamp() == stamp_) co_return faults_;
  co_return co_await load(Why::asked);
}

net::Awaitable<std::vector<Finding>> Reloader::load(Why why) {
  stamp_ = stamp();
  Loaded loaded;
  const std::uint64_t number = ++started_;
  const auto before = current_;
  const auto done = co_await pool_.run([this, &loaded, &before]() -> Result<> {
    loaded = load_tables(config_, before.get(), database_);
    return {};
  });
  // A load that began later has read newer files.
  if (number < adopted_) co_return faults_;
  adopted_ = number;
  if (!done) {
    loaded.set = nullptr;
    loaded.faults.push_back({config_.paths.maps.native() + ":1", done.error().what});
    loaded.unread = true;
  }
  if (why != Why::again || !loaded.unread) retry_.succeed();
  if (loaded.unread) retry_.fail(Clock::system().steady_now());
  for (const Finding& warning : loaded.warnings)
    log_.warn(event::maps_warning, {{"error", warning.text()}});
  const bool is_told = why == Why::again && faults_ == loaded.faults;
  faults_ = loaded.faults;
  if (loaded.set) {
    current_ = std::move(loaded.set);
    ++generation_;
    log_.info(event::maps_loaded, {{"generation", generation_}});
  } else if (!is_told) {
    for (const Finding& finding : faults_)
      log_.error(event::maps_refused, {{"error", finding.text()}});
  }
  co_return faults_;
}

void Reloader::stop() {
  stopped_.close();
}

net::Awaitable<void> Reloader::watch(Reloader* self) {
  std::string seen = self->stamp_;
  while (!self->stopped_.is_closed()) {
    // A file that somebody is still writing would be read half: it must look the same twice. The
    // second look comes soon, for an edit is to be live within two seconds.
    const auto interval = self->config_.maps.poll_interval;
    const auto pause = seen == self->stamp_ ? interval : std::min(interval, 250ms);
    co_await self->stopped_.wait(Clock::system().steady_now() + pause);
    if (self->stopped_.is_closed()) break;
    const std::string now = self->stamp();
    if (now != self->stamp_ && now == seen)
      (void)co_await self->load(Why::changed);
    else if (now == self->stamp_ && self->retry_.is_due(Clock::system().steady_now()))
      (void)co_await self->load(Why::again);  // what could not be read has no new stamp
    seen = now;
  }
}

}  // namespace posthorn::maps
