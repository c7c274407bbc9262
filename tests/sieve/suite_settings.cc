// The settings of tests, by the names that Dovecot 2.3 and 2.4 give them, as ours.
#include <algorithm>
#include <chrono>
#include <optional>

#include "base/ascii.h"
#include "suite_host.h"

namespace posthorn::sieve::suite {
namespace {

// "4k", "1M", "100".
std::optional<std::size_t> size_of(std::string_view text) {
  std::size_t unit = 1;
  if (text.empty()) return std::nullopt;
  const char last = to_lower(text.back());
  if (last == 'k') unit = 1U << 10U;
  if (last == 'm') unit = 1U << 20U;
  if (unit > 1) text.remove_suffix(1);
  const auto number = to_number<std::size_t>(text);
  return number ? std::optional(*number * unit) : std::nullopt;
}

// "1s", "5m", "2h", "7d", "1w"; without a letter: seconds.
std::optional<std::chrono::seconds> period_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::int64_t unit = 1;
  const char last = to_lower(text.back());
  if (last == 'm') unit = 60;
  if (last == 'h') unit = 3600;
  if (last == 'd') unit = 86400;
  if (last == 'w') unit = 7 * 86400;
  if (last == 's' || unit > 1) text.remove_suffix(1);
  const auto number = to_number<std::int64_t>(text);
  return number ? std::optional(std::chrono::seconds(*number * unit)) : std::nullopt;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trim(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.push_back(to_lower(text.substr(0, end)));
    text.remove_prefix(end);
  }
  return words;
}

// What stands behind `prefix` in `name`: of spamtest or virustest.
bool set_spam(SpamSettings& spam, std::string_view name, const std::string& value) {
  const SpamSettings defaults;
  if (name == "status_header") return (spam.header = value, true);
  if (name == "max_header" || name == "score_max_header")
    return (spam.maximum_header = value, true);
  if (name == "max_value" || name == "score_max_value") return (spam.maximum = value, true);
  if (name == "status_type") {
    if (value == "score") spam.type = SpamSettings::Type::score;
    if (value == "strlen") spam.type = SpamSettings::Type::length;
    if (value == "text") spam.type = SpamSettings::Type::text;
    return true;
  }
  if (name.starts_with("text_value")) {
    name.remove_prefix(name.starts_with("text_value/") ? 11 : 10);
    const auto which = to_number<int>(name);
    if (!which) return false;
    spam.texts[*which] = value;
    return true;
  }
  return false;
}

template <class T>
bool assign(T& place, const std::optional<T>& value) {
  if (value) place = *value;
  return value.has_value();
}

bool set_limit(Settings& run, CompileSettings& compile, std::string_view name,
               const std::string& value) {
  if (name == "sieve_max_actions") return assign(run.actions_max, size_of(value));
  if (name == "sieve_max_redirects") return assign(run.redirects_max, size_of(value));
  if (name == "sieve_max_script_size") return assign(compile.size_max, size_of(value));
  if (name == "sieve_variables_max_scope_size" || name == "sieve_variables_max_scope_count")
    return assign(run.variables_max, size_of(value));
  if (name == "sieve_variables_max_variable_size" || name == "sieve_variables_max_value_size")
    return assign(run.variable_size_max, size_of(value));
  if (name == "sieve_include_max_includes") return assign(compile.includes_max, size_of(value));
  if (name == "sieve_include_max_nesting_depth")
    return assign(compile.include_depth_max, size_of(value));
  if (name == "sieve_max_cpu_time") {
    const auto time = period_of(value);
    if (!time) return false;
    // About 100 ns a step.
    run.steps_max = static_cast<std::uint64_t>(time->count()) * 10'000'000;
    return true;
  }
  if (name == "sieve_editheader_max_header_size") {
    const auto size = value.empty() ? Settings().header_value_max : size_of(value);
    return assign(run.header_value_max, size) && assign(compile.header_value_max, size);
  }
  return false;
}

bool set_period(Settings& run, std::string_view name, const std::string& value) {
  if (name == "sieve_vacation_min_period") return assign(run.vacation_min, period_of(value));
  if (name == "sieve_vacation_max_period") return assign(run.vacation_max, period_of(value));
  if (name == "sieve_vacation_default_period")
    return assign(run.vacation_default, period_of(value));
  if (name == "sieve_duplicate_max_period") return assign(run.duplicate_max, period_of(value));
  if (name == "sieve_duplicate_default_period")
    return assign(run.duplicate_default, period_of(value));
  return false;
}

}  // namespace

bool Host::set(const std::string& name, const std::string& value) {
  if (set_limit(settings_, compile_settings_, name, value)) return true;
  if (set_period(settings_, name, value)) return true;
  if (name.starts_with("sieve_spamtest_")) return set_spam(settings_.spam, name.substr(15), value);
  if (name.starts_with("sieve_virustest_"))
    return set_spam(settings_.virus, name.substr(16), value);
  if (name == "recipient_delimiter") return (settings_.recipient_delimiter = value, true);
  if (name == "sieve_user_email") return (settings_.user_email = value, true);
  if (name == "sieve_editheader_protected" || name == "sieve_editheader_forbid_add")
    return (settings_.headers_protected = words_of(value), true);
  if (name == "sieve_editheader_forbid_delete")
    return (settings_.headers_kept = words_of(value), true);
  if (name == "sieve_redirect_envelope_from") return (host_settings_.redirect_from = value, true);
  if (name == "sieve_report_from") return (host_settings_.report_from = value, true);
  if (name == "sieve_notify_mailto_envelope_from")
    return (host_settings_.notify_from = value, true);
  if (name == "sieve_vacation_dont_check_recipient")
    return (host_settings_.checks_recipient = value != "yes", true);
  if (name == "sieve_vacation_check_recipient")
    return (host_settings_.checks_recipient = value == "yes", true);
  if (name == "sieve_vacation_use_original_recipient")
    return (host_settings_.uses_first_recipient = value == "yes", true);
  if (name == "sieve_vacation_send_from_recipient")
    return (host_settings_.answers_from_recipient = value == "yes", true);
  if (name.starts_with("sieve_environment/"))
    return (host_settings_.items["vnd.dovecot.config." + to_lower(name.substr(18))] = value, true);
  if (name.starts_with("sieve_env_"))
    return (host_settings_.items["vnd.dovecot.config." + to_lower(name.substr(10))] = value, true);
  if (name.starts_with("sieve_extlists_list/")) {
    const std::vector<std::string> words = words_of(value);
    host_settings_.lists[name.substr(20)] = {words.begin(), words.end()};
    return true;
  }
  return false;
}

bool Host::unset(const std::string& name) {
  const Host fresh(language_);
  if (name == "sieve_spamtest_max_header" || name == "sieve_spamtest_score_max_header")
    return set(name, "");
  if (name == "sieve_spamtest_max_value" || name == "sieve_spamtest_score_max_value")
    return set(name, fresh.settings_.spam.maximum);
  if (name == "sieve_user_email") return (settings_.user_email.clear(), true);
  if (name == "recipient_delimiter") return set(name, fresh.settings_.recipient_delimiter);
  if (name == "sieve_redirect_envelope_from") return set(name, "sender");
  return set(name, "");
}

}  // namespace posthorn::sieve::suite
