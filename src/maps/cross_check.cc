#include "maps/cross_check.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "maps/table_set.h"
#include "message/idna.h"
#include "message/mailbox_address.h"

namespace posthorn::maps {
namespace {

using Targets = std::vector<std::string>;

// virtual(5): "@other" stands for the same name there.
std::string target_of(std::string_view target, std::string_view key) {
  if (!target.starts_with('@')) return std::string(target);
  return fmt::format("{}{}", key.substr(0, key.rfind('@')), target);
}

constexpr std::size_t kNotesMax = 20;

class CrossCheck {
 public:
  CrossCheck(const config::Config& config, const Listings& lists, TableFindings& findings)
      : config_(config),
        lists_(lists),
        domains_(lists.domains),
        mailboxes_(lists.mailboxes),
        aliases_(lists.aliases),
        findings_(findings) {}

  void run() {
    for (const Source& source : domains_.sources)
      for (const Entry& entry : source.entries) {
        local_domains_.insert(entry.key);
        if (!message::is_domain(entry.key))
          warn(source, entry, fmt::format("{} is no domain, so no mail is for it", entry.key),
               "write the name alone, as example.org");
      }
    for (const Source& source : mailboxes_.sources)
      for (const Entry& entry : source.entries) check_mailbox(source, entry);
    for (const Source& source : aliases_.sources)
      for (const Entry& entry : source.entries)
        targets_.emplace(entry.key, split_list(entry.value));
    for (const Source& source : aliases_.sources)
      for (const Entry& entry : source.entries) check_alias(source, entry);
    for (const Source& source : lists_.senders.sources)
      for (const Entry& entry : source.entries) check_owners(source, entry);
    for (const Source& source : lists_.transport.sources)
      for (const Entry& entry : source.entries) check_transport(source, entry);
    if (is_whole()) check_postmaster();
  }

 private:
  // Else what is not listed may answer for what seems to be missing.
  bool is_whole() const { return domains_.is_whole && mailboxes_.is_whole && aliases_.is_whole; }

  static config::Finding at(const Source& source, const Entry& entry, std::string reason) {
    return {fmt::format("{}:{}", source.path, entry.line), std::move(reason)};
  }
  void fault(const Source& source, const Entry& entry, std::string reason,
             std::string remedy = "") {
    const bool is_ours = source.weight == config::Weight::fault;
    auto& findings = is_ours ? findings_.faults : findings_.warnings;
    findings.push_back(at(source, entry, std::move(reason)));
    findings.back().weight = source.weight;
    if (is_ours) findings.back().remedy = std::move(remedy);  // a command of ours
    if (source.table) source.table->mark_unsure(entry.key);
  }
  void warn(const Source& source, const Entry& entry, std::string reason, std::string remedy = "") {
    findings_.warnings.push_back(at(source, entry, std::move(reason)));
    findings_.warnings.back().remedy = std::move(remedy);
  }

  bool is_local(const std::string& domain) const { return local_domains_.contains(domain); }

  bool has_local_domain(const Source& source, const Entry& entry) {
    const std::size_t sign = entry.key.rfind('@');
    if (sign == std::string::npos) {
      fault(source, entry, fmt::format("{} has no domain", entry.key),
            entry.key.ends_with(':')
                ? "the form is NAME@DOMAIN TARGET, without the colon of /etc/aliases"
                : "write NAME@DOMAIN");
      return false;
    }
    const std::string domain = entry.key.substr(sign + 1);
    if (!domains_.is_whole || is_local(domain)) return true;
    fault(
        source, entry, fmt::format("the domain {} of {} is not in maps/domains", domain, entry.key),
        domain.ends_with(':')
            ? "take the colon out: the form is ADDRESS TARGET"
            : fmt::format("`posthorn domain add {}` makes it ours; or take the line out", domain));
    return false;
  }

  void check_mailbox(const Source& source, const Entry& entry) {
    if (!has_local_domain(source, entry)) return;
    if (entry.key.starts_with('@'))
      return fault(source, entry, "a mailbox needs a name before the @");
    local_mailboxes_.insert(entry.key);
  }

  void check_alias(const Source& source, const Entry& entry) {
    if (!has_local_domain(source, entry)) return;
    const Targets& targets = targets_[entry.key];
    if (targets.empty()) fault(source, entry, fmt::format("{} leads to no address", entry.key));
    bool are_addresses = true;
    std::size_t gone = 0;
    for (const std::string& target : targets) {
      if (!is_target(target)) {
        fault(source, entry, fmt::format("{} is no address", target),
              std::string(remedy_for_target(target)));
        are_addresses = false;
        continue;
      }
      look_at_target(source, entry, target);
      if (is_whole() && !leads_on(target_of(target, entry.key), 0)) {
        ++gone;
        warn(source, entry,
             fmt::format("{} leads to {}, which is neither a mailbox nor an alias{}", entry.key,
                         target, gone == targets.size() ? ": its mail is refused" : ""));
      }
    }
    if (are_addresses) look_at_hidden(source, entry, targets);
    std::vector<std::string> way;
    if (are_addresses && is_whole() && !depth_of(entry.key, way))
      fault(source, entry, fmt::format("{} never ends: {}", entry.key, fmt::join(way, " -> ")),
            "take one of these lines out, or send it to a mailbox");
  }

  // What a target does that was written in haste.
  void look_at_target(const Source& source, const Entry& entry, const std::string& target) {
    const std::string domain = target.starts_with('@') ? target.substr(1) : std::string();
    if (domain.empty() || !entry.key.starts_with('@') || !domains_.is_whole ||
        config_.route.any_domain != config::AnyDomain::none ||
        is_local(message::ascii_domain(domain).value_or(domain)))
      return;
    warn(source, entry,
         fmt::format("{} leads to {}, which is not in maps/domains: every name of it is taken, and "
                     "sent on to another server",
                     entry.key, target),
         fmt::format("`posthorn domain add {}`, if it is ours; or name single addresses", domain));
  }

  // virtual(5): an alias comes before the mailbox, whose owner gets nothing any more.
  void look_at_hidden(const Source& source, const Entry& entry, const Targets& targets) {
    if (!local_mailboxes_.contains(entry.key)) return;
    for (const std::string& target : targets) {
      const AddressKeys keys =
          keys_of(target_of(target, entry.key), config_.maps.recipient_delimiter);
      if (keys.full == entry.key || keys.untagged == entry.key) return;
    }
    if (++hidden_ > kNotesMax) return;
    warn(source, entry,
         fmt::format("the mailbox {} gets no mail: the alias comes first, and leads to {}",
                     entry.key, targets.empty() ? "nobody" : targets.front()),
         fmt::format("to keep a copy there, name {} among the targets", entry.key));
    findings_.warnings.back().weight = config::Weight::note;
  }

  // Logins have the domain that a bare name means; an owner is compared with them as a whole.
  void check_owners(const Source& source, const Entry& entry) {
    const bool is_domain_known =
        !config_.server.default_domain.empty() || (domains_.is_whole && local_domains_.size() == 1);
    for (const std::string& owner : split_list(entry.value)) {
      const bool is_bare = owner.find('@') == std::string::npos && message::is_domain(owner);
      if (is_bare ? !is_domain_known : is_target(owner) && !owner.starts_with('@')) continue;
      warn(source, entry,
           fmt::format("{} is no account, so nobody may send as {} by it", owner, entry.key),
           "write the accounts as they log in, NAME@DOMAIN, with commas between");
    }
  }

  // What is ours is delivered here, whatever this table says.
  void check_transport(const Source& source, const Entry& entry) {
    const std::string domain = entry.key.substr(entry.key.rfind('@') + 1);
    if (!is_local(domain)) return;
    warn(source, entry,
         fmt::format("not used: {} is in maps/domains, so its mail is delivered here", domain),
         fmt::format("to send all of it on, take {} out of maps/domains; single addresses by "
                     "maps/aliases",
                     domain));
  }

  // RFC 5321 section 4.5.1. It goes to server.postmaster, to a mailbox or alias of that name, or to
  // the first mailbox there is.
  void check_postmaster() {
    const std::string& wish = config_.server.postmaster;
    if (!wish.empty()) {
      if (!leads_on(message::to_lower(wish), 0))
        findings_.warnings.push_back(
            {config::place_of(config_, "server", "postmaster") + ": server.postmaster",
             fmt::format("{} is neither a mailbox nor an alias; the first mailbox gets its mail",
                         wish)});
      return;
    }
    if (!local_mailboxes_.empty() || !targets_.empty() || config_.route.any_mailbox ||
        config_.route.by_local_part)
      return;
    for (const Source& source : domains_.sources)
      if (!source.entries.empty())
        return warn(source, source.entries.front(),
                    "nobody gets the mail of postmaster: there is no mailbox; make one, or set "
                    "server.postmaster");
  }

  // Somebody gets what is sent there, or it goes away from here.
  bool leads_on(const std::string& address, std::size_t depth) const {
    const AddressKeys keys = keys_of(address, config_.maps.recipient_delimiter);
    if (keys.domain.empty() || !is_local(keys.domain.substr(1))) return true;
    if (config_.route.any_mailbox || config_.route.by_local_part) return true;
    if (address.starts_with('@')) return true;  // of a domain as a whole nothing is known
    for (const std::string* key : {&keys.full, &keys.untagged})
      if (local_mailboxes_.contains(*key) || targets_.contains(*key)) return true;
    const auto all = targets_.find(keys.domain);
    if (all == targets_.end()) return false;
    if (depth > config_.maps.depth_max) return true;  // that is told of as a loop
    return std::ranges::any_of(all->second, [&](const std::string& target) {
      // "@old @new": who is nobody there is nobody here.
      return !target.starts_with('@') || leads_on(target_of(target, keys.full), depth + 1);
    });
  }

  const Targets* find_targets(const AddressKeys& keys) const {
    if (!keys.full.starts_with('@')) {
      for (const std::string* key : {&keys.full, &keys.untagged}) {
        if (const auto found = targets_.find(*key); found != targets_.end()) return &found->second;
        if (local_mailboxes_.contains(*key)) return nullptr;
      }
    }
    const auto found = targets_.find(keys.domain);
    return found != targets_.end() ? &found->second : nullptr;
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
      const Targets* targets = find_targets(keys_of(key, config_.maps.recipient_delimiter));
      for (const std::string& written : targets ? *targets : Targets()) {
        const std::string target = target_of(written, key);
        if (target == key && !key.starts_with('@')) continue;
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
  const Listings& lists_;
  const Listing &domains_, &mailboxes_, &aliases_;
  TableFindings& findings_;
  std::unordered_set<std::string> local_domains_, local_mailboxes_;
  std::unordered_map<std::string, Targets> targets_;
  std::unordered_map<std::string, std::size_t> depths_;
  std::size_t hidden_ = 0;
};

}  // namespace

bool is_target(const std::string& target) {
  if (target.starts_with('@')) return message::is_domain(std::string_view(target).substr(1));
  const auto parsed = message::parse_mailbox_address(target);
  return parsed && !parsed->domain.empty();
}

// Postfix's local(8) knows commands, files and lists; virtual(5) knows addresses alone.
std::string_view remedy_for_target(std::string_view target) {
  if (target.find_first_of("|/") < 2 || target.starts_with(":include:"))
    return "programs, files and lists are no targets here; write addresses, or use Sieve";
  if (target.starts_with('#')) return "a comment has a line of its own";
  return "write NAME@DOMAIN, or @DOMAIN, several with commas between";
}

void cross_check(const config::Config& config, const Listings& lists, TableFindings& findings) {
  CrossCheck(config, lists, findings).run();
}

}  // namespace posthorn::maps
