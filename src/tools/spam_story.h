// SpamStory: what the filter said of a mail that has come, and what was done with it, as values out
// of the trail's records of it. `posthorn spam explain ID` prints it; nothing here asks anybody.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "filter/verdict.h"
#include "trail/record.h"

namespace posthorn::tools {

struct SpamStory {
  std::string queue_id;
  // "no", "yes", "unscanned", "skipped"; empty: the filter has not come to it, or no longer known.
  std::string spam;
  filter::Verdict verdict;
  std::size_t rules_left_out = 0;
  std::string reason, error;      // why spamd has not judged it
  std::string by;                 // what decided, as in filter::Outcome
  std::vector<std::string> then;  // what was done with the mail, a sentence each

  bool is_judged() const { return spam == "no" || spam == "yes"; }
};
SpamStory read_spam_story(std::span<const trail::Record> records);

// Why spamd has not judged it, as a sentence.
std::string unscanned_sentence(const SpamStory& story);
// "filter.spam_score", with its value and where it stands now: "filter.spam_score = "6.31"
// (/etc/posthorn/conf/posthorn.toml:12)", or "(the default)". As it is for what is no setting.
std::string setting_with_place(const config::Config& config, const std::string& by);

}  // namespace posthorn::tools
