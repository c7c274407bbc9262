#include "tools/address.h"

#include <algorithm>
#include <fmt/format.h>

#include "maps/table_set.h"
#include "message/mailbox_address.h"
#include "tools/control.h"
#include "tools/references.h"
#include "tools/table_store.h"

namespace posthorn::tools {
namespace {

using maps::Question;
using Names = std::vector<std::string>;

constexpr std::size_t kToldMax = 50;
constexpr std::size_t kLoopMax = 1000;  // aliases that one may lead over

bool is_domain(std::string_view name) {
  return !name.empty() && name.size() <= 253 && name.front() != '.' && name.back() != '.' &&
         name.find("..") == std::string_view::npos && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
         });
}

class Addresses {
 public:
  explicit Addresses(const config::Config& config) : config_(config), stores_(config) {}

  Result<> add_alias(const std::string& name, const Names& given) {
    TRY(const auto aliases, stores_.open(Question::aliases));
    TRY_OK(check_alias(name));
    TRY(const auto known, aliases->find(name));
    Names targets = known ? maps::split_list(*known) : Names();
    for (const std::string& target : given) {
      TRY_OK(check_target(*aliases, target));
      if (std::ranges::find(targets, target) == targets.end()) targets.push_back(target);
    }
    TRY_OK(aliases->set(name, fmt::format("{}", fmt::join(targets, ", "))));
    TRY_OK(find_loop(*aliases, name, targets));
    TRY_OK(stores_.commit());
    fmt::print("{} leads to {}\n", name, fmt::join(targets, ", "));
    TRY(const auto mailboxes, stores_.open(Question::mailboxes));
    TRY(const auto mailbox, mailboxes->find(name));
    if (mailbox && std::ranges::find(targets, name) == targets.end())
      fmt::print(stderr,
                 "warning: {0} has a mailbox that gets no mail any more; `posthorn alias add {0} "
                 "{0}` keeps a copy in it\n",
                 name);
    return {};
  }

  Result<> remove_alias(const std::string& name, const Names& given, bool with_references) {
    TRY(const auto aliases, stores_.open(Question::aliases));
    TRY(const auto known, aliases->find(name));
    if (!known) return fail(ErrorKind::permanent, fmt::format("there is no alias {}", name));
    Names targets = maps::split_list(*known);
    for (const std::string& target : given)
      if (std::erase(targets, target) == 0)
        return fail(ErrorKind::permanent, fmt::format("{} does not lead to {}", name, target));
    if (!given.empty() && !targets.empty()) {
      TRY_OK(aliases->set(name, fmt::format("{}", fmt::join(targets, ", "))));
      TRY_OK(stores_.commit());
      fmt::print("{} leads to {}\n", name, fmt::join(targets, ", "));
      return {};
    }
    References references(config_, stores_);
    TRY_OK(references.find({name, Departure::Kind::alias}));
    if (!references.is_empty() && !with_references) return references.refuse(name);
    TRY_OK(references.take_out());
    TRY_OK(aliases->remove(name));
    TRY_OK(stores_.commit());
    for (const std::string& line : references.taken_out()) fmt::print("{}\n", line);
    fmt::print("{} is no alias any more\n", name);
    return {};
  }

  Result<> add_domain(const std::string& name) {
    if (!is_domain(name))
      return fail(ErrorKind::permanent, fmt::format("\"{}\" is no domain", name));
    TRY(const auto domains, stores_.open(Question::domains));
    TRY(const auto known, domains->find(name));
    if (known) return fail(ErrorKind::permanent, fmt::format("{} is there already", name));
    TRY_OK(domains->set(name, "."));
    TRY_OK(stores_.commit());
    fmt::print("{} is a domain of ours\n", name);
    return {};
  }

  // Not while something of it is there: its mail would become a stranger's.
  Result<> remove_domain(const std::string& name) {
    TRY(const auto domains, stores_.open(Question::domains));
    std::string left;
    std::size_t count = 0;
    for (const Question question : {Question::mailboxes, Question::aliases}) {
      TRY(const auto tables, stores_.open_all(question));
      for (const auto& table : tables) {
        TRY(const auto rows, table->list_places());
        for (const Placed& row : rows)
          if (row.key.ends_with("@" + name) && ++count <= kToldMax)
            left += fmt::format("\n  {}: {} is still in {}", row.place, row.key, table->place());
      }
    }
    if (count > kToldMax) left += fmt::format("\n  and {} more", count - kToldMax);
    if (count > 0)
      return fail(
          ErrorKind::permanent,
          fmt::format("the domain {} is in use, and nothing was changed; remove these first "
                      "(posthorn user remove, posthorn alias remove):{}",
                      name, left));
    TRY(const bool removed, domains->remove(name));
    if (!removed) return fail(ErrorKind::permanent, fmt::format("there is no domain {}", name));
    TRY_OK(stores_.commit());
    fmt::print("{} is no domain of ours any more\n", name);
    return {};
  }

  Result<> list(Question question) {
    TRY(const auto table, stores_.open(question));
    TRY(const auto rows, table->list());
    for (const auto& [key, value] : rows)
      if (question == Question::domains)
        fmt::print("{}\n", key);
      else
        fmt::print("{} {}\n", key, value);
    return {};
  }

  bool has_text() const { return stores_.has_text(); }

 private:
  // An alias that is its own target keeps a copy; one that comes back over another never ends. Of
  // files the whole set is checked before it is written, of rows this is all.
  Result<> find_loop(TableStore& aliases, const std::string& name, const Names& targets) {
    Names waiting, seen;
    for (const std::string& target : targets)
      if (target != name) waiting.push_back(target);
    while (!waiting.empty() && seen.size() < kLoopMax) {
      const std::string at = std::move(waiting.back());
      waiting.pop_back();
      if (at == name)
        return fail(ErrorKind::permanent,
                    fmt::format("{} would come back to itself (over {}), and nothing was changed",
                                name, seen.empty() ? name : seen.back()));
      if (std::ranges::find(seen, at) != seen.end()) continue;
      seen.push_back(at);
      const maps::AddressKeys keys = maps::keys_of(at, config_.maps.recipient_delimiter);
      for (const std::string* key : {&keys.full, &keys.untagged}) {
        TRY(const auto value, aliases.find(*key));
        if (!value) continue;
        for (std::string& next : maps::split_list(*value))
          if (next != at) waiting.push_back(std::move(next));
        break;
      }
    }
    return {};
  }

  Result<> check_alias(const std::string& name) {
    const std::size_t at = name.rfind('@');
    const auto parsed = message::parse_mailbox_address(name);
    if (at == std::string::npos || (at > 0 && (!parsed || parsed->domain.empty())))
      return fail(ErrorKind::permanent, fmt::format("\"{}\" is no address and no @domain", name));
    TRY(const auto domains, stores_.open(Question::domains));
    TRY(const auto known, domains->find(name.substr(at + 1)));
    if (known) return {};
    return fail(ErrorKind::permanent,
                fmt::format("the domain {} is not in {}", name.substr(at + 1), domains->place()));
  }

  // A local one must be a mailbox or an alias.
  Result<> check_target(TableStore& aliases, const std::string& target) {
    // virtual(5): the same name in another domain.
    if (target.starts_with('@') && is_domain(std::string_view(target).substr(1))) return {};
    const auto parsed = message::parse_mailbox_address(target);
    if (!parsed || parsed->domain.empty() || target.find_first_of(", ") != std::string::npos)
      return fail(ErrorKind::permanent, fmt::format("\"{}\" is no address", target));
    TRY(const auto domains, stores_.open(Question::domains));
    TRY(const auto local, domains->find(parsed->domain));
    if (!local) return {};
    TRY(const auto mailboxes, stores_.open(Question::mailboxes));
    const maps::AddressKeys keys = maps::keys_of(target, config_.maps.recipient_delimiter);
    for (const std::string* key : {&keys.full, &keys.untagged, &keys.domain}) {
      TRY(const auto mailbox, mailboxes->find(*key));
      TRY(const auto alias, aliases.find(*key));
      if (mailbox || alias) return {};
    }
    return fail(ErrorKind::permanent, fmt::format("{} is neither a mailbox nor an alias", target));
  }

  const config::Config& config_;
  Stores stores_;
};

}  // namespace

int run_address_tool(const config::Config& config, const AddressOptions& options) {
  Addresses addresses(config);
  const std::string name = message::to_lower(options.name);
  Names targets;
  for (const std::string& target : options.targets) targets.push_back(message::to_lower(target));
  Result<> done;
  bool changes = true;
  switch (options.action) {
    case AddressAction::alias_add:
      done = addresses.add_alias(name, targets);
      break;
    case AddressAction::alias_remove:
      done = addresses.remove_alias(name, targets, options.with_references);
      break;
    case AddressAction::domain_add:
      done = addresses.add_domain(name);
      break;
    case AddressAction::domain_remove:
      done = addresses.remove_domain(name);
      break;
    case AddressAction::alias_list:
    case AddressAction::domain_list:
      done = addresses.list(options.action == AddressAction::alias_list ? Question::aliases
                                                                        : Question::domains);
      changes = false;
      break;
  }
  if (!done) {
    fmt::print(stderr, "posthorn: {}\n", done.error().what);
    return 1;
  }
  if (!changes || !addresses.has_text()) return 0;
  return make_live(config);
}

}  // namespace posthorn::tools
