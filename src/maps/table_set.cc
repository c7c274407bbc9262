#include "maps/table_set.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "maps/cross_check.h"
#include "maps/pgsql_rows.h"
#include "maps/regexp_table.h"
#include "maps/text_lines.h"
#include "message/idna.h"

namespace posthorn::maps {
namespace {

constexpr std::uint64_t kFileMax = 256U << 20U;

bool is_blank(char c) {
  return c == '\n' || kSpace.find(c) != std::string_view::npos;
}

// A word of a display name, quoted or not.
bool is_name(const std::string& word) {
  return word.ends_with('"') || word.find('@') == std::string::npos;
}

class Loader {
 public:
  Loader(const config::Config& config, const TableSet* before, Pgsql* database,
         const RowReader& rows, const std::map<Path, std::string>* instead)
      : config_(config),
        before_(before),
        database_(database),
        rows_(rows),
        instead_(instead),
        set_(std::make_shared<TableSet>()) {
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
    if (findings_.faults.empty()) check_values();
    if (findings_.faults.empty()) cross_check(config_, domains_, mailboxes_, aliases_, findings_);
    Loaded loaded{nullptr, std::move(findings_.faults), std::move(findings_.warnings), unread_};
    if (loaded.faults.empty()) {
      for (const Source& source : domains_.sources)
        for (const Entry& entry : source.entries) set_->domain_names.push_back(entry.key);
      set_->warnings = loaded.warnings;
      loaded.set = std::move(set_);
    }
    return loaded;
  }

 private:
  void load_list(const std::vector<std::string>& names, TableList& list, Listing& listing,
                 Question question) {
    const bool required = question == Question::domains || question == Question::mailboxes;
    for (const std::string& name : names) {
      if (name.empty()) continue;
      const auto parsed = parse_table_name(name);
      if (!parsed) {
        findings_.faults.push_back({config_.file.native() + ":1", parsed.error().what});
        continue;
      }
      // What cannot be listed cannot be checked against the others.
      if (parsed->type != "text" && !(parsed->type == "pgsql" && rows_)) listing.is_whole = false;
      if (parsed->type == "static") {
        list.tables.push_back(std::make_unique<StaticTable>(parsed->rest));
        continue;
      }
      if (parsed->type == "pgsql") {
        list.tables.push_back(std::make_unique<PgsqlTable>(database_, question));
        if (rows_) load_rows(question, listing);
        continue;
      }
      const Path path = config_.paths.maps / parsed->rest;
      const auto text = read(path);
      if (!text) {
        findings_.faults.push_back({path.native() + ":1", text.error().what});
        unread_ = true;
      } else if (!*text) {
        if (required || had_entries(path.native())) {
          findings_.faults.push_back({path.native() + ":1", "there is no such file"});
          unread_ = true;
        }
      } else if (parsed->has_patterns()) {
        auto table = RegexpTable::parse(**text, path.native(), RegexpTable::syntax_of(*parsed));
        if (table)
          list.tables.push_back(*std::move(table));
        else
          findings_.faults.push_back(split_finding(table.error().what));
      } else {
        load_text(**text, path.native(), list, listing);
      }
    }
  }

  Result<std::optional<std::string>> read(const Path& path) const {
    if (instead_ != nullptr)
      if (const auto found = instead_->find(path); found != instead_->end()) return found->second;
    return read_file(path, kFileMax);
  }

  bool had_entries(const std::string& path) const {
    if (before_ == nullptr) return false;
    const auto found = before_->entry_counts.find(path);
    return found != before_->entry_counts.end() && found->second > 0;
  }

  // A row is not believed more than a line: what a text file could not say is a fault.
  void load_rows(Question question, Listing& listing) {
    const std::string path = fmt::format("pgsql:{}", shape_of(question).name);
    auto rows = rows_(question);
    if (!rows) {
      findings_.faults.push_back({path, rows.error().what});
      unread_ = true;
      return;
    }
    for (Entry& row : *rows) {
      const std::string where = fmt::format("{}:{}", path, row.line);
      if (auto why = fault_of_row(row)) {
        findings_.faults.push_back({where, *std::move(why)});
        continue;
      }
      row.value = as_line(row.value);
    }
    std::erase_if(*rows, [](const Entry& row) { return fault_of_row(row).has_value(); });
    listing.sources.push_back({path, *std::move(rows)});
  }

  // "path:line: reason"
  static Finding split_finding(const std::string& text) {
    const std::size_t colon = text.find(": ");
    return {text.substr(0, colon), text.substr(std::min(colon, text.size() - 2) + 2)};
  }

  void load_text(std::string_view text, const std::string& path, TableList& list,
                 Listing& listing) {
    if (text.empty() && had_entries(path))
      findings_.faults.push_back(
          {path + ":1", "the file has become empty (a comment in it makes that meant)"});
    TextFile file = parse_text(text, path);
    set_->entry_counts[path] = file.entries.size();
    std::ranges::move(file.faults, std::back_inserter(findings_.faults));
    std::ranges::move(file.warnings, std::back_inserter(findings_.warnings));
    listing.sources.push_back({path, file.entries});
    list.tables.push_back(std::make_unique<TextTable>(std::move(file.entries)));
  }

  // What needs no other table.
  void check_values() {
    for (const Source& source : transport_.sources)
      for (const Entry& entry : source.entries)
        if (!entry.value.starts_with("smtp:") && !entry.value.starts_with("error:") &&
            entry.value != ":")
          fault(source, entry,
                fmt::format("\"{}\" is no transport (known: smtp: error:)", entry.value));
    for (const Source& source : sender_relays_.sources)
      for (const Entry& entry : source.entries)
        if (entry.key.find('@') == std::string::npos ||
            entry.value.find_first_of(" \t") != std::string::npos)
          fault(source, entry, "the form is an address or @domain, and [host]:port");
    for (const Source& source : relay_sasl_.sources)
      for (const Entry& entry : source.entries)
        if (entry.value.find(':') == std::string::npos)
          fault(source, entry, fmt::format("the value of {} is user:password", entry.key));
  }

  void fault(const Source& source, const Entry& entry, std::string reason) {
    findings_.faults.push_back({fmt::format("{}:{}", source.path, entry.line), std::move(reason)});
  }

  const config::Config& config_;
  const TableSet* before_;
  Pgsql* database_;
  const RowReader& rows_;
  const std::map<Path, std::string>* instead_;
  std::shared_ptr<TableSet> set_;
  Listing domains_, mailboxes_, aliases_, senders_, transport_, sender_relays_, relay_sasl_,
      vusers_;
  Findings findings_;
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

Loaded load_tables(const config::Config& config, const TableSet* before, Pgsql* database,
                   const RowReader& rows, const std::map<Path, std::string>* instead) {
  return Loader(config, before, database, rows, instead).load();
}

std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> items;
  std::size_t first = 0;  // of the address that is being read: words before its "<" are its name
  std::string item;
  const auto end_word = [&] {
    if (!item.empty()) items.push_back(message::ascii_address(to_lower(std::exchange(item, {}))));
  };
  bool quoted = false, bracketed = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    // A pattern may put a stranger's quoted local part in here: what stands in quotes is no list.
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\' && i + 1 < value.size()) item += value[i++];
    if (quoted) {
      item += value[i];
    } else if (c == ',' || c == ';' || c == '>' || is_blank(c)) {
      end_word();
      if (c == '>' && !bracketed) item += c;  // no address: whoever checks it says so
      if (c == '>') bracketed = false;
      if (c == ',' || c == ';') first = items.size();
    } else if (c == '<' && !bracketed) {
      end_word();
      // RFC 5322 section 3.4: "Bob <bob@example.test>". A word with a sign is an address by itself.
      const auto name = items.begin() + static_cast<std::ptrdiff_t>(first);
      items.erase(std::remove_if(name, items.end(), is_name), items.end());
      bracketed = true;
    } else {
      item += c;
    }
  }
  end_word();
  return items;
}

AddressKeys keys_of(std::string_view address, std::string_view delimiter) {
  AddressKeys keys;
  keys.full = message::ascii_address(to_lower(address));
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
