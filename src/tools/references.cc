#include "tools/references.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "maps/table_set.h"

namespace posthorn::tools {
namespace {

using maps::Question;

constexpr std::uint64_t kFileMax = 64U << 20U;
constexpr std::size_t kToldMax = 50;

}  // namespace

Result<std::vector<References::Rows>> References::read(Question question) {
  std::vector<Rows> tables;
  TRY(auto stores, stores_.open_all(question));
  for (auto& store : stores) {
    TRY(const auto rows, store->list_places());
    Rows table{std::move(store), {}};
    for (const Placed& row : rows)
      table.rows.push_back({row.key, row.place, maps::split_list(row.value)});
    tables.push_back(std::move(table));
  }
  return tables;
}

// With a tag behind it, too.
bool References::names_it(const std::string& target, const std::string& name) const {
  return target == name || maps::keys_of(target, config_.maps.recipient_delimiter).untagged == name;
}

void References::drop(Row& row, const std::string& name, Match match) {
  const bool was_there =
      std::erase_if(row.names, [&](const std::string& target) {
        return match == Match::as_alias ? names_it(target, name) : target == name;
      }) > 0;
  if (!was_there) return;
  row.is_changed = true;
  found_.push_back(match == Match::as_alias
                       ? fmt::format("{}: {} leads to {}", row.place, row.key, name)
                       : fmt::format("{}: {} may send as {}", row.place, name, row.key));
  const std::string_view end = row.names.empty() ? ", and to nobody else: the entry is gone" : "";
  taken_out_.push_back(
      match == Match::as_alias
          ? fmt::format("{}: {} no longer leads to {}{}", row.place, row.key, name, end)
          : fmt::format("{}: {} may no longer send as {}{}", row.place, name, row.key,
                        row.names.empty() ? ", and nobody else: the entry is gone" : ""));
}

// Mail for the name goes somewhere by an alias that stays.
bool References::is_alias_still(const Departure& departure) const {
  for (std::size_t i = 0; i < aliases_.size(); ++i)
    for (const Row& row : aliases_[i].rows) {
      if (row.key != departure.name) continue;
      // The first table's entry is the one that `alias remove` takes away.
      if (departure.kind == Departure::Kind::alias && i == 0) continue;
      if (std::ranges::any_of(row.names, [&](const std::string& target) {
            return !names_it(target, departure.name);
          }))
        return true;
    }
  return false;
}

Result<> References::leave_aliases(const Departure& departure) {
  TRY(const auto mailboxes, stores_.open(Question::mailboxes));
  const bool is_account = departure.kind == Departure::Kind::account;
  bool is_gone = !is_alias_still(departure);
  if (!is_account && is_gone) {
    TRY(const auto mailbox, mailboxes->find(departure.name));
    is_gone = !mailbox;
  }
  // Who keeps a copy in his own mailbox has none any more, whoever else gets his mail.
  if (is_account && !is_gone)
    for (Rows& table : aliases_)
      for (Row& row : table.rows)
        if (row.key == departure.name) drop(row, departure.name, Match::as_alias);
  std::vector<std::string> waiting;
  if (is_gone) waiting.push_back(departure.name);
  while (!waiting.empty()) {
    const std::string name = std::move(waiting.back());
    waiting.pop_back();
    gone_.push_back(name);
    for (std::size_t i = 0; i < aliases_.size(); ++i)
      for (Row& row : aliases_[i].rows) {
        if (row.names.empty()) continue;
        if (!is_account && i == 0 && row.key == departure.name) continue;  // it goes itself
        drop(row, name, Match::as_alias);
        if (!row.names.empty() || row.key.starts_with('@') ||
            std::ranges::find(gone_, row.key) != gone_.end())
          continue;
        TRY(const auto mailbox, mailboxes->find(row.key));
        if (!mailbox) waiting.push_back(row.key);
      }
  }
  return {};
}

void References::leave_senders(const Departure& departure) {
  for (Rows& table : senders_)
    for (Row& row : table.rows) {
      if (departure.kind == Departure::Kind::account) drop(row, departure.name, Match::exact);
      if (row.names.empty() || std::ranges::find(gone_, row.key) == gone_.end()) continue;
      row.names.clear();
      row.is_changed = true;
      found_.push_back(fmt::format("{}: who may send as {}", row.place, row.key));
      taken_out_.push_back(fmt::format("{}: nobody may send as {} any more", row.place, row.key));
    }
}

// What stands in a pattern's value is found, but edited by hand.
Result<> References::look_at_patterns(const std::string& name) {
  for (const Question question : {Question::aliases, Question::senders})
    for (const Path& path : stores_.pattern_files(question)) {
      TRY(const auto text, read_file(path, kFileMax));
      std::string_view rest = text ? std::string_view(*text) : std::string_view();
      for (std::size_t number = 1; !rest.empty(); ++number) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = trim(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.starts_with('#')) continue;
        const auto words = maps::split_list(line);
        if (std::ranges::find(words, name) != words.end())
          by_hand_.push_back(
              fmt::format("{}:{}: a pattern leads to {}", path.native(), number, name));
      }
    }
  return {};
}

Result<> References::find(const Departure& departure) {
  for (auto* list : {&gone_, &found_, &by_hand_, &taken_out_}) list->clear();
  TRY(aliases_, read(Question::aliases));
  TRY(senders_, read(Question::senders));
  TRY_OK(leave_aliases(departure));
  leave_senders(departure);
  if (!gone_.empty() || departure.kind == Departure::Kind::account)
    TRY_OK(look_at_patterns(departure.name));
  return {};
}

Result<> References::refuse(const std::string& name) const {
  std::string text = fmt::format("{} is still named, and nothing was changed:", name);
  std::size_t count = 0;
  for (const auto* list : {&found_, &by_hand_})
    for (const std::string& line : *list)
      if (++count <= kToldMax) text += "\n  " + line;
  if (count > kToldMax) text += fmt::format("\n  and {} more", count - kToldMax);
  text += by_hand_.empty() ? "\n--with-references takes it out of these, too"
                           : "\ntake it out of the patterns by hand";
  return fail(ErrorKind::permanent, text);
}

Result<> References::take_out() {
  if (!by_hand_.empty()) return refuse(gone_.empty() ? "it" : gone_.front());
  for (auto* tables : {&aliases_, &senders_})
    for (Rows& table : *tables) {
      std::vector<maps::TextChange> changes;
      for (const Row& row : table.rows)
        if (row.is_changed && row.names.empty())
          changes.push_back({row.key, std::nullopt});
        else if (row.is_changed)
          changes.push_back({row.key, fmt::format("{}", fmt::join(row.names, ", "))});
      TRY_OK(table.store->change(changes));
    }
  return {};
}

}  // namespace posthorn::tools
