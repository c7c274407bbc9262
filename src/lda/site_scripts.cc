#include "lda/site_scripts.h"

#include <fmt/format.h>

#include "base/events.h"
#include "lda/site_reader.h"

namespace posthorn::lda {

std::string SiteScripts::look() const {
  return stamp_of(look_at(config_));
}

config::Findings SiteScripts::check(const config::Config& config) {
  return read_site(config, nullptr, LastGood()).outcome.findings;
}

net::Awaitable<net::Prepared> SiteScripts::prepare() {
  auto read = co_await pool_.run([this, before = set_]() -> Result<SiteRead> {
    return read_site(config_, before.get(), keeper_.kept());
  });
  if (!read) {
    next_ = {};
    co_return net::Prepared{.findings = {{config_.paths.sieve.native(), read.error().what}},
                            .is_usable = false,
                            .may_pass = true};
  }
  next_ = *std::move(read);
  co_return std::move(next_.outcome);
}

std::shared_ptr<const void> SiteScripts::commit() {
  if (!next_.set) return nullptr;
  constexpr std::size_t kToldMax = 20;
  for (std::size_t i = 0; i < next_.news.size() && i < kToldMax; ++i)
    log_.info(event::sieve_loaded, {{"file", next_.news[i]}});
  if (next_.news.size() > kToldMax)
    log_.info(event::sieve_loaded, {{"file", "and others"}, {"files", next_.news.size()}});
  for (const Path& path : next_.stale)
    log_.error(event::files_stale,
               {{"error", path.native() + " serves as it was kept in paths.state"}});
  keeper_.keep(std::move(next_.good));
  std::shared_ptr<const void> old = std::exchange(set_, std::move(next_.set));
  next_ = {};
  return old;
}

void SiteScripts::tell(const config::Finding& finding) const {
  if (finding.weight == config::Weight::fault)
    log_.error(event::sieve_refused, {{"error", finding.text()}});
  else
    log_.warn(event::files_warning, {{"error", finding.text()}});
}

Scripts order_of(const SiteSet& set, const config::Config& config, const std::string& account,
                 const std::optional<Script>& own) {
  Scripts scripts;
  const auto add = [&](const Script* script) {
    if (script != nullptr) scripts.push_back(*script);
    return script != nullptr;
  };
  const auto add_all = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) add(set.find(config.paths.sieve / name));
  };
  const auto find_by_name = [&](const std::map<std::string, Path>& names, std::string_view name) {
    const auto found = names.find(fmt::format("{}{}", name, kScriptSuffix));
    return found == names.end() ? nullptr : set.find(found->second);
  };
  add_all(config.sieve.before);
  const std::size_t at = account.rfind('@');
  if (at != std::string::npos)
    add(find_by_name(set.domains, std::string_view(account).substr(at + 1)));
  const bool is_special = add(find_by_name(set.users, account));
  if (own)
    scripts.push_back(*own);
  else if (!is_special)
    add(set.find(config.paths.sieve / kDefaultScript));
  add_all(config.sieve.after);
  return scripts;
}

Scripts SiteScripts::order(const std::string& account, const std::optional<Script>& own) const {
  return order_of(*set_, config_, account, own);
}

Scripts SiteScripts::at_event(imap::Cause cause, const std::string& from,
                              const std::string& mailbox) const {
  Scripts scripts;
  for (const ImapRule& rule : set_->imap)
    if (rule.applies_to(cause, from, mailbox))
      if (const Script* script = set_->find(config_.paths.sieve / rule.file))
        scripts.push_back(*script);
  return scripts;
}

}  // namespace posthorn::lda
