#include "trail/story.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/events.h"
#include "base/print.h"
#include "trail/sentences.h"

namespace posthorn::trail {
namespace {

constexpr std::size_t kTextSizeMax = 1500;
constexpr std::size_t kRecipientsMax = 100;
constexpr std::size_t kChildLinesMax = 10;
constexpr std::size_t kAcceptedLinesMax = 10;  // of accepted recipients, one by one

bool is_edges(const Record& record) {
  return record.source == "edge";
}

bool is_event(const Record& record, const log::Event& event) {
  return record.event == event.name;
}

std::string_view bare(std::string_view text) {
  const bool is_enclosed = text.size() >= 2 && text.starts_with('<') && text.ends_with('>');
  return is_enclosed ? text.substr(1, text.size() - 2) : text;
}

// What the queue took, by its own word; nullptr: it does not say.
const Record* find_accepted(const Life& life) {
  const auto found = std::ranges::find_if(life.records, [](const Record& record) {
    return is_event(record, event::queue_accepted) && !is_edges(record);
  });
  return found == life.records.end() ? nullptr : &*found;
}

void add_names(std::vector<std::string>& names, std::string_view list) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string one = clean_name(bare(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (!one.empty() && names.size() < kRecipientsMax &&
        std::ranges::find(names, one) == names.end())
      names.push_back(one);
  }
}

struct People {
  std::optional<std::string> sender;
  std::vector<std::string> named, recipients;
  std::string message_id;
};

enum class Of { edge, others };

People people_of(const Life& life, Of whom) {
  People people;
  for (const Record& record : life.records) {
    const bool is_arrival = is_event(record, event::queue_accepted) ||
                            is_event(record, event::queue_found) ||
                            record.event.starts_with("smtp.");
    if (is_edges(record) != (whom == Of::edge) || !is_arrival) continue;
    const Words words(record);
    if (!people.sender && words.is_told("from"))
      people.sender = clean_name(bare(words.get("from")));
    if (people.message_id.empty()) people.message_id = clean_name(bare(words.get("message_id")));
    add_names(people.named, words.get("named"));
    add_names(people.recipients, words.get(words.has("rcpt") ? "rcpt" : "to"));
  }
  return people;
}

// Not all of many recipients stand in a record, but it tells how many they are.
std::size_t count_recipients(const Story& story, const Record* accepted) {
  const auto told = accepted == nullptr ? std::optional<std::size_t>()
                                        : to_number<std::size_t>(accepted->get("nrcpt"));
  return std::max(told.value_or(0), story.recipients.size());
}

// From whom, to whom: by the queue's word, and only where it has none by edge's.
void name_people(Story& story, const Life& life) {
  const People known = people_of(life, Of::others), said = people_of(life, Of::edge);
  story.is_edges_word = !known.sender && said.sender;
  story.sender = known.sender ? *known.sender : said.sender.value_or("");
  story.named = known.named;
  story.recipients = known.recipients.empty() ? said.recipients : known.recipients;
  story.recipients_count = count_recipients(story, find_accepted(life));
  story.message_id = known.message_id.empty() ? said.message_id : known.message_id;
}

// Where edge says something of a mail that the queue knows better.
std::string contradiction(const Record& record, const Record* accepted) {
  if (!is_edges(record) || record.queue_id.empty()) return "";
  if (accepted == nullptr)
    return is_event(record, event::smtp_accepted) ? " (The queue does not say that it has it.)"
                                                  : "";
  if (is_event(record, event::smtp_refused))
    return " (The queue has it all the same: edge is not believed.)";
  for (const std::string_view key : {"from", "message_id", "account"}) {
    const Words edges(record), queues(*accepted);
    if (!edges.is_told(key) || !queues.is_told(key)) continue;
    if (!equals_ignoring_case(bare(edges.get(key)), bare(queues.get(key))))
      return fmt::format(" (The queue says otherwise, {} {}: edge is not believed.)",
                         key == "from"      ? "from"
                         : key == "account" ? "the account"
                                            : "Message-ID",
                         queues.name(key, key == "from" ? "<>" : "none"));
  }
  return "";
}

std::string text_of(const Record& record, const Record* accepted) {
  const Sentence* sentence = find_sentence(record.event);
  const std::string said =
      sentence != nullptr ? sentence->say(Words(record)) : "Something: " + clean_name(record.event);
  // Of a flood the last one stands for all that were like it.
  return clean_text(said, kTextSizeMax) + Words(record).with(" (", "count", " times)") + "." +
         contradiction(record, accepted);
}

// Alike: what differs in numbers alone (ids, seconds to wait) says the same.
std::string shape_of(const Record& record) {
  std::string shape = record.event;
  for (const auto& [key, value] : record.details) {
    if (key == "ms" || key == "next" || key == "attempt" || key == "try" || key == "relay" ||
        key == "tls" || key == "age")
      continue;
    shape += "\n" + key + "=";
    bool in_number = false;
    // The code that a reply begins with is no such number.
    for (std::size_t i = 0; i < value.size(); ++i) {
      const bool is_digit = value[i] >= '0' && value[i] <= '9' && i >= 9;
      if (!is_digit || !in_number) shape += is_digit ? '#' : value[i];
      in_number = is_digit;
    }
  }
  return shape;
}

// What is one after the other of the same recipient, or of the same host that passed it on.
std::string row_of(const Record& record) {
  std::string row = record.event + "\n" + record.source + "\n" + std::string(record.get("to"));
  if (is_event(record, event::queue_passed_on)) row += "\n" + std::string(record.get("relay"));
  return row;
}

class Lines {
 public:
  explicit Lines(const Life& life) : accepted_(find_accepted(life)) {}

  void add(const Record& record) {
    if (is_event(record, event::queue_waits) && add_to_deferred(record)) return;
    if (is_event(record, event::smtp_rcpt_accepted) && add_to_accepted(record)) return;
    const Sentence* sentence = find_sentence(record.event);
    const bool repeats = sentence != nullptr && sentence->repeats == Repeats::yes;
    if (repeats && add_to_row(record)) return;
    if (is_event(record, event::queue_deferred)) deferred_.push_back(lines_.size());
    if (repeats) rows_[row_of(record)] = {lines_.size(), shape_of(record)};
    lines_.push_back({.at = record.at,
                      .until = record.at,
                      .text = text_of(record, accepted_),
                      .is_end = sentence != nullptr && sentence->weight == Weight::end,
                      .record = record});
  }

  std::vector<Line> take() {
    for (Line& line : lines_) {
      if (line.count == 1) continue;
      const std::string until = local_time(line.until, line.at);
      if (is_event(line.record, event::smtp_rcpt_accepted))
        line.text = fmt::format("{} more recipients were accepted until {}, the last of them: {}",
                                line.count, until, line.text);
      else if (is_event(line.record, event::queue_deferred))
        line.text =
            fmt::format("{} attempts until {}, the last of them: {}", line.count, until, line.text);
      else
        line.text += fmt::format(" ({} times until {}.)", line.count, until);
    }
    return std::move(lines_);
  }

 private:
  struct Row {
    std::size_t line;
    std::string shape;
  };

  // When it is tried again stands with who was put off.
  bool add_to_deferred(const Record& record) {
    const auto places = std::exchange(deferred_, {});
    for (const std::size_t place : places) {
      Line& line = lines_[place];
      if (line.record.get("next").empty())
        line.record.details.emplace_back("next", record.get("next"));
      line.text = text_of(line.record, accepted_);
    }
    return !places.empty();
  }

  // What is beyond the first of many recipients is one line.
  bool add_to_accepted(const Record& record) {
    if (accepted_count_++ < kAcceptedLinesMax) return false;
    if (!others_) {
      others_ = lines_.size();
      return false;
    }
    repeat(lines_[*others_], record);
    return true;
  }

  void repeat(Line& line, const Record& record) {
    ++line.count;
    line.until = record.at;
    line.text = text_of(record, accepted_);
    line.record = record;
  }

  bool add_to_row(const Record& record) {
    const auto row = rows_.find(row_of(record));
    if (row == rows_.end() || row->second.shape != shape_of(record)) return false;
    if (is_event(record, event::queue_deferred)) deferred_.push_back(row->second.line);
    repeat(lines_[row->second.line], record);
    return true;
  }

  const Record* accepted_;
  std::vector<Line> lines_;
  std::map<std::string, Row> rows_;
  std::size_t accepted_count_ = 0;     // recipients
  std::optional<std::size_t> others_;  // the line of those beyond kAcceptedLinesMax
  std::vector<std::size_t> deferred_;  // lines, since it was said when they are tried again
};

// Who brought a mail stands first, with the time at which that began: it is said at its end.
std::vector<Record> in_order(const Life& life) {
  std::vector<Record> records = life.records;
  const auto brought = std::ranges::find_if(
      records, [](const Record& record) { return is_event(record, event::smtp_accepted); });
  const auto taken = std::ranges::find_if(
      records, [](const Record& record) { return is_event(record, event::queue_accepted); });
  if (brought == records.end() || taken == records.end()) return records;
  brought->at = std::min(brought->at, records.front().at);
  std::rotate(records.begin(), brought, brought + 1);
  return records;
}

// What became of it, by what the queue and the store say; edge's word counts where nobody else has
// one.
Ending ending_of(const Story& story, const Life& life) {
  const bool is_taken =
      find_accepted(life) != nullptr || std::ranges::any_of(life.records, [](const Record& record) {
        return record.source == "queue" && !record.queue_id.empty();
      });
  if (!is_taken) {
    const bool is_refused = std::ranges::any_of(
        life.records, [](const Record& record) { return is_refusal(record.event); });
    return is_refused ? Ending::refused : Ending::unknown;
  }
  Ending ending = Ending::waiting;
  std::set<std::string> have, lack;
  for (const Record& record : life.records) {
    if (is_edges(record) || record.queue_id != story.queue_id) continue;
    const std::string to = to_lower(record.get("to"));
    if (is_event(record, event::queue_delivered)) have.insert(to);
    if (is_event(record, event::queue_failed) || is_event(record, event::queue_expired))
      lack.insert(to), have.erase(to);
    if (is_event(record, event::queue_held)) ending = Ending::held;
    if (is_event(record, event::queue_released)) ending = Ending::waiting;
    if (is_event(record, event::queue_discarded)) return Ending::discarded;
    if (is_event(record, event::queue_deleted)) return Ending::deleted;
    if (is_event(record, event::queue_corrupt)) return Ending::damaged;
    if (is_event(record, event::queue_removed))
      ending = lack.empty() ? Ending::delivered : have.empty() ? Ending::failed : Ending::partly;
  }
  if (ending != Ending::delivered) return ending;
  const auto has = [&](const log::Event& event) {
    return std::ranges::any_of(life.records, [&](const Record& record) {
      return is_event(record, event) && record.source == "store";
    });
  };
  // A script that throws away is done with it, as far as the queue knows.
  const bool is_kept = has(event::store_delivered) || has(event::sieve_redirected);
  return has(event::store_discarded) && !is_kept && have.size() <= 1 ? Ending::discarded : ending;
}

void add_line(std::string& out, std::string_view indent, const Line& line) {
  print_to(out, "{}{}  {:<6} {}\n", indent, local_time(line.at), clean_text(line.record.source, 10),
           line.text);
}

// count: of all of them, where not all are named; none: nobody knows.
std::string some_of(const std::vector<std::string>& names, std::optional<std::size_t> count) {
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 4); ++i)
    out += (i == 0 ? "" : ", ") + names[i];
  const std::size_t shown = std::min<std::size_t>(names.size(), 4);
  if (!count)
    out += " and others";
  else if (*count > shown)
    print_to(out, " and {} more", *count - shown);
  return out;
}

// Where the list of recipients is cut, that of their names may be, too.
std::optional<std::size_t> count_named(const Story& story) {
  if (story.recipients_count > story.recipients.size()) return std::nullopt;
  return story.named.size();
}

void add_child(std::string& out, const Story& child, WallTime today) {
  print_to(out, "  → {}\n", format_title(child));
  std::size_t count = 0;
  for (const Line& line : child.lines) {
    if (!line.is_end) continue;
    if (++count > kChildLinesMax) {
      print_to(out, "      … `posthorn trace {}` tells more\n", clean_name(child.queue_id));
      break;
    }
    print_to(out, "      {}  {:<6} {}\n", local_time(line.at, today),
             clean_text(line.record.source, 10), line.text);
  }
}

}  // namespace

std::string_view to_string(Ending ending) {
  switch (ending) {
    case Ending::unknown:
      return "unknown";
    case Ending::refused:
      return "refused";
    case Ending::waiting:
      return "waiting";
    case Ending::gone:
      return "no longer in the queue";
    case Ending::held:
      return "held";
    case Ending::delivered:
      return "delivered";
    case Ending::partly:
      return "partly delivered";
    case Ending::failed:
      return "not delivered";
    case Ending::discarded:
      return "thrown away";
    case Ending::deleted:
      return "deleted";
    case Ending::damaged:
      return "damaged";
  }
  return "unknown";
}

Story tell_story(std::string_view queue_id, const Life& life) {
  Story story{.queue_id = std::string(queue_id),
              .parent = life.parent,
              .children = life.children,
              .is_cut = life.is_cut};
  for (const Record& record : life.records)
    if (story.session.empty()) story.session = record.session;
  if (!life.records.empty()) story.at = life.records.front().at;
  name_people(story, life);
  Lines lines(life);
  for (const Record& record : in_order(life)) lines.add(record);
  story.lines = lines.take();
  story.ending = ending_of(story, life);
  return story;
}

bool is_in_queue(const Story& story) {
  const bool is_there = story.ending == Ending::waiting || story.ending == Ending::held;
  return is_there && !story.queue_id.empty() && !story.is_cut;
}

std::string format_title(const Story& story) {
  std::string title =
      story.queue_id.empty() ? "Session " + clean_name(story.session) : clean_name(story.queue_id);
  const bool is_known = !story.sender.empty() || !story.recipients.empty();
  if (is_known) print_to(title, ", from {}", story.sender.empty() ? "<>" : story.sender);
  if (!story.named.empty())
    print_to(title, " to {} ({})", some_of(story.named, count_named(story)),
             some_of(story.recipients, story.recipients_count));
  else if (!story.recipients.empty())
    print_to(title, " to {}", some_of(story.recipients, story.recipients_count));
  if (is_known && story.is_edges_word) title += " (as edge says)";
  print_to(title, ": {}", to_string(story.ending));
  return title;
}

std::string format_story(const Story& story, const std::vector<Story>& children) {
  std::string out = format_title(story) + "\n";
  if (!story.message_id.empty()) print_to(out, "Message-ID: <{}>\n", story.message_id);
  if (!story.parent.empty()) print_to(out, "It came of the mail {}.\n", clean_name(story.parent));
  std::string day;
  for (const Line& line : story.lines) {
    if (std::string today = local_day(line.at); today != day) {
      day = std::move(today);
      print_to(out, "{}\n", day);
    }
    add_line(out, "  ", line);
  }
  if (story.lines.empty()) out += "  The trail holds nothing of it.\n";
  if (story.is_cut) out += "  There is more of it than is shown.\n";
  if (story.ending == Ending::gone)
    out +=
        "  it is not in the queue any more; what became of it at the end was not recorded (the "
        "queue was killed)\n";
  const WallTime today = story.lines.empty() ? story.at : story.lines.back().at;
  for (const Story& child : children) add_child(out, child, today);
  for (const std::string& child : story.children)
    if (std::ranges::find(children, child, &Story::queue_id) == children.end())
      print_to(out, "  → {}\n", clean_name(child));
  return out;
}

std::string format_entry(const Story& story) {
  return fmt::format("{} {}  {}\n", local_day(story.at), local_time(story.at), format_title(story));
}

}  // namespace posthorn::trail
