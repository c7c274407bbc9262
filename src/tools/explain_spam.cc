#include "tools/explain_spam.h"

#include <algorithm>
#include <fmt/format.h>

#include "tools/complain.h"
#include "tools/spam_story.h"
#include "tools/trail_source.h"
#include "trail/words.h"

namespace posthorn::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kDescriptionMax = 990;  // bytes, of what spamd says of a rule

Result<std::vector<trail::Record>> find_mail(const config::Config& config, const std::string& id) {
  TRY(const auto source, open_trail(config));
  TRY(trail::Life life, source->life_of_mail(id));
  if (!life.records.empty()) return std::move(life.records);
  std::string_view message_id = id;
  if (message_id.starts_with('<')) message_id.remove_prefix(1);
  if (message_id.ends_with('>')) message_id.remove_suffix(1);
  TRY(const auto found, source->find({.message_id = std::string(message_id)}));
  for (const trail::Match& match : found) {
    if (match.queue_id.empty()) continue;
    TRY(life, source->life_of_mail(match.queue_id));
    break;
  }
  return std::move(life.records);
}

void print_story(const config::Config& config, const SpamStory& story) {
  fmt::print("{}: ", story.queue_id);
  if (story.is_judged())
    print_verdict(story.verdict);
  else if (story.spam.empty())
    fmt::print("the spam filter has said nothing of it yet\n");
  else
    fmt::print("{}\n", unscanned_sentence(story));
  if (story.rules_left_out > 0) fmt::print("      and {} more\n", story.rules_left_out);
  const auto has_no_points = [](const filter::Rule& rule) { return rule.points.empty(); };
  if (!story.verdict.rules.empty() && std::ranges::all_of(story.verdict.rules, has_no_points))
    fmt::print("spamd has not told the rules' points: write _TESTSSCORES_ into its local.cf\n");
  if (story.by == "spamd")
    fmt::print("decided by: spamd's own bound, required_score in its local.cf\n");
  else if (story.by.starts_with("filter."))
    fmt::print("decided by: {}\n", setting_with_place(config, story.by));
  for (const std::string& deed : story.then) fmt::print("then: {}\n", deed);
}

// tests/schemas/explain_spam.json says the same.
Json json_of_story(const config::Config& config, const SpamStory& story) {
  Json json = json_of(story.verdict);
  if (!story.is_judged()) json["spam"] = nullptr;
  json["id"] = story.queue_id;
  json["rules_left_out"] = story.rules_left_out;
  json["filter"] = story.is_judged() ? "judged" : story.spam.empty() ? "unknown" : story.spam;
  json["reason"] = story.reason;
  json["by"] = story.by;
  json["setting"] = setting_with_place(config, story.by);
  json["then"] = story.then;
  return json;
}

}  // namespace

void print_verdict(const filter::Verdict& verdict) {
  fmt::print("{}: {} points of {}\n", verdict.is_spam ? "spam" : "no spam", verdict.score,
             verdict.required);
  std::size_t width = 0, points = 5;
  for (const filter::Rule& rule : verdict.rules) {
    width = std::max(width, rule.name.size());
    points = std::max(points, rule.points.size());
  }
  for (const filter::Rule& rule : verdict.rules) {
    const std::string line =
        fmt::format("{:>{}} {:<{}} {}", rule.points.empty() ? "?" : rule.points, points, rule.name,
                    width, trail::clean_text(rule.description, kDescriptionMax));
    fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

Json json_of(const filter::Verdict& verdict) {
  Json json = {{"spam", verdict.is_spam},
               {"score", verdict.score},
               {"required", verdict.required},
               {"rules", Json::array()}};
  for (const filter::Rule& rule : verdict.rules)
    json["rules"].push_back(
        {{"name", rule.name}, {"points", rule.points}, {"description", rule.description}});
  return json;
}

int explain_past_spam(const config::Config& config, const std::string& id, Format format) {
  const auto records = find_mail(config, id);
  if (!records) return complain(records.error().what, 2);
  if (records->empty())
    return complain(fmt::format("{}: no such file, and the trail knows no such mail", id), 2);
  const SpamStory story = read_spam_story(*records);
  if (format == Format::json)
    fmt::print("{}\n",
               json_of_story(config, story).dump(2, ' ', false, Json::error_handler_t::replace));
  else
    print_story(config, story);
  return story.verdict.is_spam ? 1 : 0;
}

}  // namespace posthorn::tools
