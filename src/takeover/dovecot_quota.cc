// Limits: quota rules of the plugin (2.3) or quota_storage_size and its like (2.4). Rules that the
// plugin was not loaded for bound nobody there, and bound nobody here.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "config/quota.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

// "10%%", "95%": the number.
std::optional<std::size_t> percent_of(std::string_view text) {
  const std::size_t end = text.find('%');
  if (end == std::string_view::npos) return std::nullopt;
  return to_number<std::size_t>(trim(text.substr(0, end)));
}

class Quotas {
 public:
  explicit Quotas(DovecotMapping& mapping) : m_(mapping) {}

  void map() {
    const DovecotSetting* const full = DovecotMapping::find(m_.root(), {"quota_full_tempfail"});
    if (full != nullptr) m_.set("store.quota_full_tempfail", is_yes(full->value));
    m_.tell(full, Fate::taken, "store.quota_full_tempfail");
    if (!m_.has_plugin("quota")) return close();
    if (const DovecotBlock* const plugin = m_.root().find_block("plugin"))
      for (const DovecotSetting& setting : plugin->settings) map_setting(setting);
    map_2_4(m_.root());
    for (const DovecotBlock& block : m_.root().blocks) {
      if (block.type == "quota") map_2_4(block);
      if (block.type == "quota_warning")
        m_.tell_all(
            block, Fate::not_possible,
            "no program is run: store.quota_warning says at how many percent the log tells");
    }
    if (!rules_.empty()) m_.set("store.quota_rules", rules_);
  }

 private:
  void close() {
    const auto tell = [&](const DovecotSetting& setting) {
      if (!setting.name.starts_with("quota")) return;
      m_.set("store.quotas", false);
      m_.tell(&setting, Fate::not_needed,
              "mail_plugins does not name quota: it bounds nobody, and store.quotas = false here");
    };
    if (const DovecotBlock* const plugin = m_.root().find_block("plugin"))
      for (const DovecotSetting& setting : plugin->settings) tell(setting);
    for (const DovecotBlock& block : m_.root().blocks)
      if (block.type == "quota" || block.type == "quota_warning")
        m_.tell_all(block, Fate::not_needed, "mail_plugins does not name quota: it bounds nobody");
  }

  void map_setting(const DovecotSetting& setting) {
    if (m_.is_told(setting)) return;
    const std::string& name = setting.name;
    const auto has_number_behind = [&](std::string_view stem) {
      return name.starts_with(stem) &&
             name.substr(stem.size()).find_first_not_of("0123456789") == std::string::npos;
    };
    if (has_number_behind("quota_rule")) return map_rule(setting);
    if (has_number_behind("quota_warning")) return map_warning(setting);
    if (name == "quota_grace") return map_grace(setting);
    if (has_number_behind("quota")) return map_root(setting);
    if (name.starts_with("quota2") || name.starts_with("quota3"))
      m_.tell(&setting, Fate::not_possible, "an account has one limit, not several roots of them");
    else if (name.starts_with("quota_status_"))
      m_.tell(&setting, Fate::not_needed,
              "RCPT is refused with 552 when the mailbox is full, without a policy service");
    else if (name == "quota_vsizes" || name == "quota_set")
      m_.tell(&setting, Fate::not_needed, "files count with their size; clients set no limits");
    else if (name.starts_with("quota_"))
      m_.tell(&setting, Fate::not_possible, "there is no such setting here");
  }

  void map_root(const DovecotSetting& setting) {
    const std::string driver = setting.value.substr(0, setting.value.find(':'));
    if (setting.name != "quota")
      m_.tell(&setting, Fate::not_possible, "an account has one limit, not several roots of them");
    else if (driver == "fs" || driver == "imapc")
      m_.tell(&setting, Fate::not_possible,
              "limits are this server's own, not the file system's: `posthorn quota set`");
    else
      m_.tell(&setting, Fate::already_so, "what an account holds is counted by the store");
  }

  void map_rule(const DovecotSetting& setting) {
    std::string text = setting.value;
    if (text.starts_with("?:")) text.front() = '*';
    const auto rule = quota::parse_rule(text);
    if (!rule) return m_.tell(&setting, Fate::not_possible, rule.error());
    const auto is_plain = [](const std::optional<quota::Amount>& amount) {
      return !amount || (amount->from == quota::Amount::From::nothing && !amount->is_percent);
    };
    if (rule->mailbox == "*" && !rule->is_ignored && is_plain(rule->bytes) &&
        is_plain(rule->messages)) {
      std::string told;
      if (rule->bytes) {
        m_.set("store.quota", fmt::format("{}B", rule->bytes->number));
        told = fmt::format("store.quota = {} bytes", rule->bytes->number);
      }
      if (rule->messages) {
        m_.set("store.quota_messages", static_cast<std::size_t>(rule->messages->number));
        told += fmt::format("{}store.quota_messages = {}", told.empty() ? "" : ", ",
                            rule->messages->number);
      }
      return m_.tell(&setting, Fate::taken, told);
    }
    rules_.push_back(text);
    m_.tell(&setting, Fate::taken, fmt::format("store.quota_rules has \"{}\"", text));
  }

  // "storage=95%% quota-warning 95 %u"
  void map_warning(const DovecotSetting& setting) {
    const std::string& text = setting.value;
    const auto percent = percent_of(text.substr(std::min(text.find('=') + 1, text.size())));
    if (percent && *percent > warning_ && *percent <= 100 && text.starts_with("storage=")) {
      warning_ = *percent;
      m_.set("store.quota_warning", *percent);
      return m_.tell(&setting, Fate::taken,
                     fmt::format("store.quota_warning = {}: the log tells; no program is run, and "
                                 "there is one such mark, the highest",
                                 *percent));
    }
    m_.tell(
        &setting, Fate::not_possible,
        "there is one mark at which the log tells (store.quota_warning), and no program is run");
  }

  void map_grace(const DovecotSetting& setting) {
    const auto percent = percent_of(setting.value);
    if (!percent || *percent > 100)
      return m_.tell(&setting, Fate::not_possible, "store.quota_grace counts in percent");
    m_.set("store.quota_grace", *percent);
    m_.tell(&setting, Fate::taken, fmt::format("store.quota_grace = {}", *percent));
  }

  void map_2_4(const DovecotBlock& block) {
    for (const std::string_view name : {"quota_storage_size", "storage_size"})
      map_2_4(block.find(name), "store.quota");
    for (const std::string_view name : {"quota_message_count", "message_count"})
      map_2_4(block.find(name), "store.quota_messages");
    if (block.type == "quota")
      for (const std::string_view name : {"driver", "quota_driver"})
        m_.tell(block.find(name), Fate::already_so,
                "what an account holds is counted by the store");
  }
  void map_2_4(const DovecotSetting* setting, std::string_view key) {
    if (setting == nullptr || m_.is_told(*setting)) return;
    const auto number = quota::parse_size(setting->value, 1);
    if (!number) return m_.tell(setting, Fate::not_possible, "it is no size");
    if (key == "store.quota")
      m_.set(key, fmt::format("{}B", *number));
    else
      m_.set(key, static_cast<std::size_t>(*number));
    m_.tell(setting, Fate::taken, fmt::format("{} = {}", key, *number));
  }

  DovecotMapping& m_;
  std::size_t warning_ = 0;
  std::vector<std::string> rules_;
};

}  // namespace

void map_quota(DovecotMapping& mapping) {
  Quotas(mapping).map();
}

}  // namespace posthorn::takeover
