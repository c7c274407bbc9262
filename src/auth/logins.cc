#include "auth/logins.h"

#include <fmt/format.h>
#include <map>
#include <set>

#include "base/events.h"
#include "config/account_path.h"
#include "maps/cross_check.h"

namespace posthorn::auth {
namespace {

constexpr std::size_t kSameMax = 20;  // findings of one kind that are told one by one

class Comparison {
 public:
  Comparison(const config::Config& config, const maps::TableSet& tables, const LoginFiles& files)
      : config_(config), tables_(tables), files_(files) {}

  config::Findings run() {
    if (config_.auth.any_user != config::AnyUser::none || files_.users == nullptr) return {};
    for (const UserFile* file : {files_.users, files_.smtp_users})
      if (file != nullptr && (!file->faults.empty() || file->hashes.contains("*"))) return {};
    const auto domains = list_entries(config_, tables_, config_.maps.domains);
    domain_ = config_.server.default_domain;
    if (domain_.empty() && domains && domains->size() == 1) domain_ = domains->front().entry->key;
    if (domains) compare_mailboxes();
    compare_owners();
    return std::move(findings_);
  }

 private:
  void warn(std::string where, std::string reason, std::string remedy) {
    findings_.push_back(
        {std::move(where), std::move(reason), std::move(remedy), config::Weight::warning});
  }

  void add_names(const UserFile& file, std::set<std::string>& names) const {
    for (const auto& [name, hash] : file.hashes)
      names.insert(name.find('@') == std::string::npos && !domain_.empty() ? name + "@" + domain_
                                                                           : name);
  }

  // A user without a mailbox gets no mail; a mailbox without a user is read by nobody.
  void compare_mailboxes() {
    const auto mailboxes = list_entries(config_, tables_, config_.maps.mailboxes);
    if (!mailboxes || config_.route.any_mailbox || config_.route.by_local_part ||
        config_.route.any_domain != config::AnyDomain::none)
      return;
    std::set<std::string> names;
    add_names(*files_.users, names);
    std::map<std::string_view, std::string_view> boxes;
    for (const Listed& one : *mailboxes) boxes.emplace(one.entry->key, one.place);
    std::size_t told = 0;
    for (const std::string& name : names)
      if (!boxes.contains(name) && ++told <= kSameMax)
        warn(config_.paths.users.native(), fmt::format("{} may log in and has no mailbox", name),
             fmt::format("posthorn user add makes both; or a line in maps/mailboxes: {} ok", name));
    compare_folders(boxes);
    told = 0;
    for (const auto& [box, place] : boxes)
      if (!names.contains(std::string(box)) && ++told <= kSameMax)
        warn(std::string(place),
             fmt::format("nobody can read the mailbox {}: there is no such login", box),
             fmt::format("`posthorn user add {}` makes one; or take its line out", box));
  }

  // Where store.location lacks {domain}, two of one name would read each other's mail.
  void compare_folders(const std::map<std::string_view, std::string_view>& boxes) {
    for (const std::string_view whole : {"{domain}", "{address}", "{account}"})
      if (config_.store.location.find(whole) != std::string::npos) return;
    std::map<Path, std::string_view> owners;
    std::size_t told = 0;
    for (const auto& [box, place] : boxes) {
      const auto path = config::account_path(config_.paths.mail, config_.store.location, box);
      if (!path) continue;
      const auto [owner, is_new] = owners.emplace(*path, box);
      if (!is_new && ++told <= kSameMax)
        warn(
            std::string(place),
            fmt::format("{} and {} have one folder, {}: who of them logs in first has the mail of "
                        "both, and the other one none",
                        owner->second, box, path->native()),
            "store.location = \"{domain}/{user}\" gives each one its own; move the maildirs along");
    }
  }

  // What is no address at all is told of with the table's lines.
  void compare_owners() {
    const auto senders = list_entries(config_, tables_, config_.maps.senders);
    if (!senders) return;
    std::set<std::string> names;
    for (const UserFile* file : {files_.users, files_.smtp_users})
      if (file != nullptr) add_names(*file, names);
    std::size_t told = 0;
    for (const Listed& one : *senders)
      for (const std::string& owner : maps::split_list(one.entry->value))
        if (owner.find('@') != std::string::npos && maps::is_target(owner) &&
            !owner.starts_with('@') && !names.contains(owner) && ++told <= kSameMax)
          warn(one.place,
               fmt::format("{} is no account, so nobody may send as {} by it", owner,
                           one.entry->key),
               "write the accounts as they log in, with commas between");
  }

  const config::Config& config_;
  const maps::TableSet& tables_;
  const LoginFiles& files_;
  std::string domain_;
  config::Findings findings_;
};

}  // namespace

config::Findings compare_logins(const config::Config& config, const maps::TableSet& tables,
                                const LoginFiles& files) {
  return Comparison(config, tables, files).run();
}

std::optional<std::vector<Listed>> list_entries(const config::Config& config,
                                                const maps::TableSet& tables,
                                                const std::vector<std::string>& names) {
  std::vector<Listed> all;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    const auto parsed = maps::parse_table_name(name);
    if (!parsed || parsed->type != "text") return std::nullopt;
    const Path path = config.paths.maps / parsed->rest;
    const auto found = tables.files.find(path.native());
    const auto* table = found == tables.files.end()
                            ? nullptr
                            : dynamic_cast<const maps::TextTable*>(found->second.table.get());
    if (table == nullptr) return std::nullopt;
    for (const maps::Entry& entry : table->entries())
      all.push_back({&entry, fmt::format("{}:{}", path.native(), entry.line)});
  }
  return all;
}

net::Awaitable<net::Prepared> Logins::prepare() {
  net::Prepared prepared;
  const auto tables = tables_.prepared();
  if (!tables || service_ == nullptr) co_return prepared;
  const auto [users, smtp_users] = service_->prepared();
  auto found = co_await pool_.run([&]() -> Result<config::Findings> {
    return compare_logins(config_, *tables, {users.get(), smtp_users.get()});
  });
  if (found) prepared.findings = *std::move(found);
  co_return prepared;
}

void Logins::tell(const config::Finding& finding) const {
  log::Logger{}.warn(event::maps_warning, {{"error", finding.text()}});
}

}  // namespace posthorn::auth
