#include "maps/table_set.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/fnv.h"
#include "maps/cross_check.h"
#include "maps/entry_check.h"
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
  enum class From { files, copies };
  Loader(const config::Config& config, const LoadParts& parts, From from)
      : config_(config), parts_(parts), from_(from), set_(std::make_shared<TableSet>()) {
    set_->database = parts.database;
  }

  Loaded load() {
    load_list(config_.maps.domains, set_->domains, lists_.domains, Question::domains);
    load_list(config_.maps.mailboxes, set_->mailboxes, lists_.mailboxes, Question::mailboxes);
    load_list(config_.maps.aliases, set_->aliases, lists_.aliases, Question::aliases);
    load_list(config_.maps.senders, set_->senders, lists_.senders, Question::senders);
    load_list(config_.maps.transport, set_->transport, lists_.transport, Question::transport);
    load_list(config_.maps.sender_relays, set_->sender_relays, sender_relays_,
              Question::sender_relays);
    load_list({config_.maps.relay_sasl}, set_->relay_sasl, relay_sasl_, Question::relay_sasl);
    if (config_.route.by_local_part)
      load_list(config_.maps.vusers, set_->vusers, vusers_, Question::vusers);
    for (const auto& [name, table] : config_.sieve.lists) load_sieve_list(name, table);
    const std::size_t alone = findings_.faults.size();
    if (set_->is_whole) cross_check(config_, lists_, findings_);
    Loaded loaded{.set = nullptr,
                  .faults = std::move(findings_.faults),
                  .warnings = std::move(findings_.warnings),
                  .unread = unread_,
                  .is_stale = is_stale_,
                  .good = std::move(good_)};
    fits_ = loaded.faults.size() == alone;
    if (!fits_) set_->is_whole = false;
    for (const Source& source : lists_.domains.sources)
      for (const Entry& entry : source.entries) set_->domain_names.push_back(entry.key);
    set_->warnings = loaded.warnings;
    loaded.is_same = !loaded.faults.empty() && is_as_before();
    loaded.set = std::move(set_);
    return loaded;
  }
  // Whatever is wrong with single files, those that are used instead go with the others.
  bool fits() const { return fits_; }

 private:
  void load_list(const std::vector<std::string>& names, TableList& list, Listing& listing,
                 Question question) {
    for (const std::string& name : names) {
      if (name.empty()) continue;
      const auto parsed = parse_table_name(name);
      if (!parsed) {
        findings_.faults.push_back({config_.file.native() + ":1", parsed.error().what});
        set_->is_whole = false;
        list.tables.push_back(std::make_shared<UnreadTable>(parsed.error().what, name));
        continue;
      }
      // What cannot be listed cannot be checked against the others.
      if (parsed->type != "text" && !(parsed->type == "pgsql" && parts_.rows))
        listing.is_whole = false;
      if (parsed->type == "static") {
        list.tables.push_back(std::make_shared<StaticTable>(parsed->rest));
        continue;
      }
      if (parsed->type == "pgsql") {
        list.tables.push_back(std::make_shared<PgsqlTable>(parts_.database, question));
        if (parts_.rows) load_rows(question, listing);
        continue;
      }
      load_file({*parsed, question}, list, listing);
    }
  }

  // PostgreSQL has no table of them. What stands in one is free, as it is in the domains'.
  void load_sieve_list(const std::string& name, const std::string& table) {
    TableList& list = set_->lists[name];
    if (!table.starts_with("pgsql:"))
      return load_list({table}, list, sieve_lists_, Question::domains);
    findings_.faults.push_back(
        {config::place_of(config_, "sieve", "lists"),
         fmt::format("sieve.lists: {} cannot be a table of PostgreSQL", name),
         "write it as a text file in paths.maps"});
    list.tables.push_back(std::make_shared<UnreadTable>("PostgreSQL has no lists", table));
  }

  // A row is not believed more than a line: what a text file could not say is a fault.
  void load_rows(Question question, Listing& listing) {
    const std::string path = fmt::format("pgsql:{}", shape_of(question).name);
    auto list = parts_.rows(question);
    if (!list) {
      findings_.faults.push_back({path, list.error().what});
      unread_ = true;
      return;
    }
    listing.is_whole = listing.is_whole && list->is_whole;
    std::vector<Entry>& rows = list->entries;
    for (Entry& row : rows) {
      const std::string where = fmt::format("{}:{}", path, row.line);
      const auto tell = [&](std::string why) {
        auto& findings =
            list->weight == config::Weight::fault ? findings_.faults : findings_.warnings;
        findings.push_back({where, std::move(why), "", list->weight});
      };
      if (auto why = fault_of_row(row)) {
        tell(*std::move(why));
        continue;
      }
      row.value = as_line(row.value);
      if (auto why = find_entry_fault(question, row))
        tell(*std::move(why));
      else if (auto doubt = find_entry_doubt(config_, question, row)) {
        doubt->where = where;
        findings_.warnings.push_back(*std::move(doubt));
      }
    }
    std::erase_if(rows, [](const Entry& row) { return fault_of_row(row).has_value(); });
    listing.sources.push_back({path, std::move(rows), nullptr, list->weight});
  }

  Result<std::optional<std::string>> read(const Path& path) const {
    if (parts_.instead != nullptr)
      if (const auto found = parts_.instead->find(path); found != parts_.instead->end())
        return found->second;
    return read_file(path, kFileMax);
  }

  // A file's text, read as what its table's name says.
  struct Parsed {
    std::shared_ptr<const Table> table;  // nullptr: nothing of it can be used
    Source source = {};                  // of a text table
    std::vector<config::Finding> faults = {}, warnings = {};
    std::uint64_t digest = 0;
  };
  struct FileOf {
    TableName name;
    Question question;
  };
  Parsed parse(const FileOf& file_of, const std::string& path, std::string_view text) const {
    Parsed parsed{.table = nullptr, .digest = fnv1a(text)};
    const TableName& name = file_of.name;
    if (name.has_patterns()) {
      auto table = RegexpTable::parse(text, path, RegexpTable::syntax_of(name));
      if (!table) {
        parsed.faults.push_back(config::finding_of(table.error().what));
        return parsed;
      }
      if (file_of.question == Question::aliases)
        for (const Entry& entry : (*table)->constants())
          look_at_constant(path, entry, parsed.warnings);
      parsed.table = *std::move(table);
      return parsed;
    }
    TextFile file = parse_text(text, path);
    if (!file.is_text) {
      parsed.faults = std::move(file.faults);
      return parsed;
    }
    auto table = std::make_shared<TextTable>(file.entries, path);
    for (const std::string& key : file.faulty_keys) table->mark_unsure(key);
    for (const Entry& entry : file.entries)
      if (auto why = find_entry_fault(file_of.question, entry)) {
        file.faults.push_back({fmt::format("{}:{}", path, entry.line), *std::move(why)});
        table->mark_unsure(entry.key);
      } else if (auto doubt = find_entry_doubt(config_, file_of.question, entry)) {
        doubt->where = fmt::format("{}:{}", path, entry.line);
        file.warnings.push_back(*std::move(doubt));
      }
    parsed.source = {path, std::move(file.entries), table};
    parsed.table = std::move(table);
    parsed.faults = std::move(file.faults);
    parsed.warnings = std::move(file.warnings);
    return parsed;
  }

  // A pattern's value without a group, as a line of aliases has it.
  static void look_at_constant(const std::string& path, const Entry& entry,
                               std::vector<config::Finding>& warnings) {
    for (const std::string& target : split_list(entry.value))
      if (!is_target(target))
        warnings.push_back({fmt::format("{}:{}", path, entry.line),
                            fmt::format("{} is no address", target),
                            std::string(remedy_for_target(target))});
  }

  void use(const Path& path, Parsed parsed, TableList& list, Listing& listing) {
    set_->files[path.native()] = {parsed.table, parsed.digest, parsed.source.entries.size()};
    list.tables.push_back(std::move(parsed.table));
    std::ranges::move(parsed.warnings, std::back_inserter(findings_.warnings));
    if (!parsed.source.path.empty()) listing.sources.push_back(std::move(parsed.source));
  }

  // The file as it is; with a fault as it was before, or as its copy has it, or as far as it goes.
  void load_file(const FileOf& name, TableList& list, Listing& listing) {
    const Path path = config_.paths.maps / name.name.rest;
    if (from_ == From::copies && use_copy(name, path, list, listing)) return;
    Parsed parsed;
    const auto text = read(path);
    if (!text) {
      unread_ = true;
      parsed.faults.push_back({path.native() + ":1", text.error().what});
    } else if (!*text) {
      unread_ = true;
      parsed.faults.push_back(
          {path.native() + ":1", "there is no such file",
           fmt::format("put it back; if it is to be empty: touch {}", path.native())});
    } else if ((*text)->empty() && had_entries(name, path)) {
      parsed.faults.push_back(
          {path.native() + ":1", "the file has become empty", "a comment in it makes that meant"});
    } else {
      parsed = parse(name, path.native(), **text);
      if (parsed.faults.empty()) {
        good_.emplace_back(path, std::make_shared<const std::string>(**text));
        return use(path, std::move(parsed), list, listing);
      }
    }
    std::ranges::copy(parsed.faults, std::back_inserter(findings_.faults));
    if (use_before(path, list, listing) || use_copy(name, path, list, listing)) return;
    set_->is_whole = false;
    if (parsed.table) return use(path, std::move(parsed), list, listing);
    list.tables.push_back(
        std::make_shared<UnreadTable>(parsed.faults.front().text(), path.native()));
  }

  // The form of the set in use, unless that one had a fault, too.
  bool use_before(const Path& path, TableList& list, Listing& listing) {
    if (parts_.before == nullptr || !parts_.before->is_whole) return false;
    const auto found = parts_.before->files.find(path.native());
    if (found == parts_.before->files.end()) return false;
    list.tables.push_back(found->second.table);
    if (const auto* text = dynamic_cast<const TextTable*>(found->second.table.get()))
      listing.sources.push_back({path.native(), text->entries()});
    set_->files.insert(*found);
    return true;
  }

  bool use_copy(const FileOf& name, const Path& path, TableList& list, Listing& listing) {
    const auto copy = parts_.kept != nullptr ? parts_.kept->read(path) : std::nullopt;
    if (!copy) return false;
    Parsed parsed = parse(name, path.native(), *copy);
    if (!parsed.faults.empty()) return false;
    is_stale_ = true;
    use(path, std::move(parsed), list, listing);
    return true;
  }

  bool had_entries(const FileOf& name, const Path& path) const {
    if (parts_.before != nullptr && parts_.before->is_whole) {
      const auto found = parts_.before->files.find(path.native());
      return found != parts_.before->files.end() && found->second.entries > 0;
    }
    const auto copy = parts_.kept != nullptr ? parts_.kept->read(path) : std::nullopt;
    return copy && !parse(name, path.native(), *copy).source.entries.empty();
  }

  // Every table is the one of before, or was read from the same text.
  bool is_as_before() const {
    if (parts_.before == nullptr || !parts_.before->is_whole ||
        parts_.before->files.size() != set_->files.size())
      return false;
    return std::ranges::all_of(set_->files, [&](const auto& file) {
      const auto found = parts_.before->files.find(file.first);
      return found != parts_.before->files.end() && found->second.digest == file.second.digest;
    });
  }

  const config::Config& config_;
  const LoadParts& parts_;
  From from_;
  std::shared_ptr<TableSet> set_;
  Listings lists_;
  Listing sender_relays_, relay_sasl_, vusers_, sieve_lists_;
  TableFindings findings_;
  decltype(Loaded::good) good_;
  bool unread_ = false;
  bool is_stale_ = false;
  bool fits_ = true;
};

}  // namespace

namespace {

enum class Of { whole, part };  // of an address

net::Task<Found> find_in(const TableList& list, const std::string key, Of of) {
  // "müller.test" is "xn--mller-kva.test", whichever of them a table has.
  const auto other = message::other_form(key);
  Found answer;
  for (const std::string* form : {&key, other ? &*other : nullptr}) {
    if (form == nullptr) continue;
    for (const auto& table : list.tables) {
      if (of == Of::part && table->has_patterns()) continue;
      CO_TRY(auto found, co_await table->find(*form));
      answer.freshness = std::max(answer.freshness, found.freshness);
      if (!found.value) continue;
      answer.value = std::move(found.value);
      answer.place = found.place;
      co_return answer;
    }
  }
  co_return answer;
}

}  // namespace

net::Task<Found> TableList::find(std::string key) const {
  return find_in(*this, std::move(key), Of::whole);
}

net::Task<Found> TableList::find_part(std::string key) const {
  return find_in(*this, std::move(key), Of::part);
}

std::string TableList::names() const {
  std::string names;
  for (const auto& table : tables) names += (names.empty() ? "" : ", ") + table->name();
  return names;
}

std::vector<std::string> TableSet::local_domains() const {
  std::vector<std::string> names = domain_names;
  if (database == nullptr) return names;
  for (const std::string& name : database->domain_names())
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

Loaded load_tables(const config::Config& config, const LoadParts& parts) {
  Loader loader(config, parts, Loader::From::files);
  Loaded loaded = loader.load();
  if (loader.fits()) return loaded;
  loaded.good.clear();
  if (parts.before != nullptr && parts.before->is_whole) {
    loaded.set = nullptr;
    loaded.is_stale = false;
  } else if (parts.kept != nullptr) {
    LoadParts alone = parts;
    alone.before = nullptr;
    Loader copies(config, alone, Loader::From::copies);
    Loaded old = copies.load();
    if (copies.fits() && old.faults.empty() && old.is_stale) {
      loaded.set = std::move(old.set);
      loaded.is_stale = true;
    }
  }
  return loaded;
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
    : pool_(pool),
      config_(config),
      database_(database),
      current_(std::move(first)),
      keeper_(scope, pool, config.paths.state / "lookup") {}

std::string Reloader::look() const {
  std::string text;
  const auto add = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto parsed = parse_table_name(name);
      if (parsed && parsed->is_file())
        text += net::stamp_of_file(config_.paths.maps / parsed->rest) + ";";
    }
  };
  for (const auto* names : config_.maps.lists()) add(*names);
  add({config_.maps.relay_sasl});
  return text;
}

net::Awaitable<net::Prepared> Reloader::prepare() {
  next_ = {};
  const auto before = current_;
  const auto done = co_await pool_.run([this, &before]() -> Result<> {
    next_ = load_tables(config_,
                        {.before = before.get(), .database = database_, .kept = &keeper_.kept()});
    return {};
  });
  if (!done) {
    next_ = {};
    next_.faults.push_back({config_.paths.maps.native() + ":1", done.error().what});
    next_.unread = true;
  }
  net::Prepared prepared{
      .findings = next_.faults, .is_usable = next_.set != nullptr, .may_pass = next_.unread};
  for (config::Finding finding : next_.warnings) {
    if (finding.weight == config::Weight::fault) finding.weight = config::Weight::warning;
    prepared.findings.push_back(std::move(finding));
  }
  // Before anything is in use there is nothing that could stay.
  if (!current_ && !next_.set) {
    next_.set = std::make_shared<TableSet>();
    prepared.is_usable = true;
  }
  co_return prepared;
}

std::shared_ptr<const void> Reloader::commit() {
  if (!next_.set || next_.is_same) {
    next_ = {};
    return nullptr;
  }
  if (!next_.faults.empty() && !(current_ && current_->is_whole))
    log_.error(event::files_stale,
               {{"error", next_.is_stale ? "tables serve as they were kept in paths.state"
                                         : "names on faulty lines, and what missing tables would "
                                           "decide, are put off (451)"}});
  std::shared_ptr<const void> old = std::exchange(current_, std::move(next_.set));
  log_.info(event::maps_loaded, {{"generation", ++generation_}});
  keeper_.keep(std::move(next_.good));
  next_ = {};
  return old;
}

void Reloader::tell(const config::Finding& finding) const {
  if (finding.weight == config::Weight::fault)
    log_.error(event::maps_refused, {{"error", finding.text()}});
  else if (finding.weight == config::Weight::note)
    log_.info(event::maps_warning, {{"error", finding.text()}});
  else
    log_.warn(event::maps_warning, {{"error", finding.text()}});
}

}  // namespace posthorn::maps
