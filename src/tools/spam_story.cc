#include "tools/spam_story.h"

#include <fmt/format.h>
#include <optional>

#include "base/events.h"
#include "filter/rules.h"
#include "trail/words.h"

namespace posthorn::tools {
namespace {

constexpr std::size_t kThenMax = 100;
constexpr std::size_t kSaidMax = 990;  // bytes, of a value

// Values of records are what strangers wrote, too: a terminal gets nothing of theirs that it obeys
// or that changes the order in which it shows text.
std::string said(const trail::Record& record, std::string_view key) {
  return trail::clean_text(record.get(key), kSaidMax);
}

std::string by_script(const trail::Record& record) {
  const std::string script = said(record, "script");
  const std::string line = said(record, "line");
  if (script.empty() || script == "-") return "";
  return line.empty() || line == "0" ? fmt::format(" by {}", script)
                                     : fmt::format(" by {}:{}", script, line);
}

// What was done with it, where a record says so.
std::optional<std::string> deed_of(const trail::Record& record) {
  const auto is = [&](const log::Event& event) { return record.event == event.name; };
  const std::string to = said(record, "to");
  if (is(event::queue_discarded)) return "thrown away: its score reaches filter.discard_score";
  if (is(event::store_delivered))
    return fmt::format("{}: filed in {}{}", to, said(record, "mailbox"), by_script(record));
  if (is(event::store_discarded)) return fmt::format("{}: thrown away{}", to, by_script(record));
  if (is(event::sieve_rejected)) return fmt::format("{}: refused{}", to, by_script(record));
  if (is(event::queue_failed))
    return fmt::format("{}: not delivered: {}", to, said(record, "reply"));
  return std::nullopt;
}

// The value of a key as posthorn.toml writes it.
std::string value_of(const std::string& toml, const std::string& section, const std::string& key) {
  const std::size_t begin = toml.find(fmt::format("\n[{}]\n", section));
  const std::size_t at = begin == toml.npos ? begin : toml.find(fmt::format("\n{} = ", key), begin);
  if (at == toml.npos) return "";
  const std::size_t value = at + key.size() + 4;
  return toml.substr(value, toml.find('\n', value) - value);
}

}  // namespace

SpamStory read_spam_story(std::span<const trail::Record> records) {
  SpamStory story;
  for (const trail::Record& record : records) {
    if (!record.queue_id.empty()) story.queue_id = trail::clean_text(record.queue_id);
    if (const auto deed = deed_of(record); deed && story.then.size() < kThenMax)
      story.then.push_back(*deed);
    if (record.event != event::queue_scanned.name) continue;
    // Where it was scanned again, the last counts.
    story.spam = said(record, "spam");
    story.reason = said(record, "reason");
    story.error = said(record, "error");
    story.by = said(record, "by");
    filter::RulesText tests = filter::parse_text(record.get("tests"));
    story.rules_left_out = tests.left_out;
    story.verdict = {.is_spam = story.spam == "yes",
                     .score = said(record, "score"),
                     .required = said(record, "required"),
                     .rules = std::move(tests.rules)};
  }
  return story;
}

std::string unscanned_sentence(const SpamStory& story) {
  const std::string& why = story.reason;
  if (why == "size") return "spamd was not asked: the mail is larger than filter.message_max";
  if (why == "unavailable")
    return fmt::format("spamd could not be asked{}{}, and filter.when_down says to deliver",
                       story.error.empty() ? "" : ": ", story.error);
  if (why == "off") return "spamd was not asked: filter.spamd names none";
  if (why == "user") return "spamd was not asked: a user of this server sent it";
  if (why == "program") return "spamd was not asked: a program of this machine sent it";
  if (why == "notice") return "spamd was not asked: it is a notice of the server's own";
  if (why == "sent-on")
    return "spamd was not asked: a Sieve script sent it on, and it was scanned when it came";
  return fmt::format("spamd has not judged it: {}", why);
}

std::string setting_with_place(const config::Config& config, const std::string& by) {
  if (!by.starts_with("filter.")) return by;
  const std::string key = by.substr(7);
  const std::string value = value_of(config::to_toml(config), "filter", key);
  if (value.empty()) return by;
  const bool is_default = value == value_of(config::to_toml(config::Config()), "filter", key);
  return fmt::format("{} = {} ({})", by, value,
                     is_default ? "the default" : config::place_of(config, "filter", key));
}

}  // namespace posthorn::tools
