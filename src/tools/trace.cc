#include "tools/trace.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/units.h"
#include "process/sockets.h"
#include "tools/complain.h"
#include "tools/control.h"
#include "tools/queue_pages.h"
#include "tools/trail_source.h"
#include "trail/story.h"
#include "trail/words.h"

namespace posthorn::tools {
namespace {

constexpr int kUsage = 2;
constexpr std::size_t kStoriesMax = 5;  // in full; more are a list
constexpr std::size_t kChildrenMax = 20;
constexpr auto kRoundOfTrail = 1s;  // in which the trail has what a role told it (trail/teller.h)
constexpr auto kSinceMax = std::chrono::hours(24) * 36'600;

// A mail with what came of it.
struct Told {
  trail::Story story;
  std::vector<trail::Story> children;
};

bool is_address_of_host(std::string_view what) {
  return what.find_first_not_of("0123456789abcdefABCDEF:.") == what.npos &&
         (what.contains(':') || what.contains('.'));
}

std::string_view bare(std::string_view text) {
  const bool is_enclosed = text.size() >= 2 && text.starts_with('<') && text.ends_with('>');
  return is_enclosed ? text.substr(1, text.size() - 2) : text;
}

// "2d", "1h30m": one after the other, each with its unit.
std::optional<std::chrono::milliseconds> parse_span(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::chrono::milliseconds span{};
  while (!text.empty()) {
    const std::size_t unit = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::size_t end = std::min(text.find_first_of("0123456789", unit), text.size());
    const auto part = config::parse_duration(text.substr(0, end));
    if (!part || *part < 0ms || *part > kSinceMax) return std::nullopt;
    span += *part;
    if (span > kSinceMax) return std::nullopt;
    text.remove_prefix(end);
  }
  return span;
}

// "2d", "3h", "1h30m" ago, or the beginning of a day, "2026-11-30".
std::optional<WallTime> parse_since(std::string_view text, WallTime now) {
  std::tm day{};
  const std::string copy(text);
  if (const char* end = ::strptime(copy.c_str(), "%Y-%m-%d", &day);
      end != nullptr && *end == '\0') {
    // mktime() makes a day of another month of one that its month has not.
    const std::chrono::year_month_day named(
        std::chrono::year(day.tm_year + 1900),
        std::chrono::month(static_cast<unsigned>(day.tm_mon + 1)),
        std::chrono::day(static_cast<unsigned>(day.tm_mday)));
    if (!named.ok()) return std::nullopt;
    day.tm_isdst = -1;
    return WallTime(std::chrono::seconds(::mktime(&day)));
  }
  const auto ago = parse_span(text);
  if (!ago) return std::nullopt;
  return now - *ago;
}

// "<>" is a sender, and names nothing else.
bool is_null_sender(std::string_view text) {
  return !text.empty() && bare(text).empty();
}

class Tracer {
 public:
  Tracer(const config::Config& config, TrailSource& source, const TraceOptions& options,
         std::optional<WallTime> since)
      : config_(config), source_(source), options_(options), since_(since) {}

  // The newest first.
  Result<std::vector<Told>> look() {
    TRY(std::vector<Told> all, look_in_trail());
    TRY_OK(look_in_queue(all));
    return all;
  }

 private:
  Result<std::vector<Told>> look_in_trail() {
    const std::string_view what = options_.what;
    if (what.starts_with('<') || what.empty() || is_address_of_host(what) || what.contains('@'))
      return look_by_name();
    // An id: a mail's, a session's, and there are Message-IDs without an @.
    TRY(const trail::Life mail, source_.life_of_mail(options_.what));
    if (!mail.records.empty() || !mail.parent.empty()) {
      TRY(Told told, tell(trail::tell_story(what, mail)));
      return one(std::move(told));
    }
    TRY(const trail::Life session, source_.life_of_session(options_.what));
    if (!session.records.empty()) return one({trail::tell_story("", session), {}});
    return find({.message_id = options_.what});
  }

  // Of a queue that was killed the last words are lost: whether a mail still waits, it says itself.
  // What it has not may just have left it, and the trail does not know yet: that is read again.
  Result<> look_in_queue(std::vector<Told>& all) {
    std::vector<trail::Story*> gone;
    for (Told& told : all) {
      if (is_gone(told.story)) gone.push_back(&told.story);
      for (trail::Story& child : told.children)
        if (is_gone(child)) gone.push_back(&child);
    }
    if (gone.empty()) return {};
    std::this_thread::sleep_for(kRoundOfTrail);
    for (trail::Story* story : gone) {
      TRY(const trail::Life life, source_.life_of_mail(story->queue_id));
      *story = trail::tell_story(story->queue_id, life);
      if (trail::is_in_queue(*story)) story->ending = trail::Ending::gone;
    }
    return {};
  }

  // False where the queue cannot be asked; then it is asked no more.
  bool is_gone(const trail::Story& story) {
    if (!has_queue_ || !trail::is_in_queue(story)) return false;
    const auto answer =
        ask_server(config_, kQueueSocket, net::Message("list").add("id", story.queue_id));
    has_queue_ = answer && answer->verb == "ok";
    return has_queue_ && !answer->find("id");
  }

  static std::vector<Told> one(Told told) {
    std::vector<Told> all;
    all.push_back(std::move(told));
    return all;
  }

  Result<std::vector<Told>> look_by_name() {
    const std::string_view what = options_.what;
    if (what.starts_with('<')) return find({.message_id = std::string(bare(what))});
    TRY(auto found, find({.address = options_.what}));
    if (!found.empty() || !what.contains('@')) return found;
    return find({.message_id = options_.what});
  }

  Result<std::vector<Told>> find(trail::Search search) {
    search.sender = is_null_sender(options_.sender) ? "<>" : bare(options_.sender);
    search.recipient = bare(options_.recipient);
    search.since = since_;
    search.refused_only = options_.refused;
    search.max = options_.max;
    TRY(const auto matches, source_.find(search));
    std::vector<Told> all;
    for (const trail::Match& match : matches) {
      const bool is_mail = !match.queue_id.empty();
      TRY(const trail::Life life,
          is_mail ? source_.life_of_mail(match.queue_id) : source_.life_of_session(match.session));
      trail::Story story = trail::tell_story(match.queue_id, life);
      if (matches.size() > kStoriesMax && !options_.json) {
        all.push_back({std::move(story), {}});
        continue;
      }
      TRY(Told told, tell(std::move(story)));
      all.push_back(std::move(told));
    }
    return all;
  }

  Result<Told> tell(trail::Story story) {
    Told told{std::move(story), {}};
    for (const std::string& child : told.story.children) {
      if (told.children.size() >= kChildrenMax) break;
      TRY(const trail::Life life, source_.life_of_mail(child));
      told.children.push_back(trail::tell_story(child, life));
    }
    return told;
  }

  const config::Config& config_;
  TrailSource& source_;
  const TraceOptions& options_;
  const std::optional<WallTime> since_;
  bool has_queue_ = true;
};

// tests/schemas/trace.json says the same.
nlohmann::json json_of(const trail::Story& story) {
  nlohmann::json lines = nlohmann::json::array();
  for (const trail::Line& line : story.lines) {
    nlohmann::json details = nlohmann::json::array();
    for (const auto& [key, value] : line.record.details)
      details.push_back({{"key", key}, {"value", value}});
    lines.push_back({{"at", format_log_time(line.at)},
                     {"until", format_log_time(line.until)},
                     {"count", line.count},
                     {"event", line.record.event},
                     {"source", line.record.source},
                     {"text", line.text},
                     {"details", std::move(details)}});
  }
  return {{"id", story.queue_id},
          {"session", story.session},
          {"sender", story.sender},
          {"named", story.named},
          {"recipients", story.recipients},
          {"message_id", story.message_id},
          {"is_edges_word", story.is_edges_word},
          {"ending", trail::to_string(story.ending)},
          {"parent", story.parent},
          {"children", story.children},
          {"is_cut", story.is_cut},
          {"lines", std::move(lines)}};
}

void print_json(const std::vector<Told>& all, const TrailExtent& extent) {
  nlohmann::json mails = nlohmann::json::array();
  for (const Told& told : all) {
    nlohmann::json mail = json_of(told.story);
    mail["came_of_it"] = nlohmann::json::array();
    for (const trail::Story& child : told.children) mail["came_of_it"].push_back(json_of(child));
    mails.push_back(std::move(mail));
  }
  const nlohmann::json page = {
      {"mails", std::move(mails)},
      {"trail", {{"records", extent.records}, {"since", extent.first}, {"paused", extent.paused}}}};
  fmt::print("{}\n", page.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_stories(const std::vector<Told>& all, std::size_t max) {
  const bool is_list = all.size() > kStoriesMax;
  bool has_edge = false;
  for (const Told& told : all) {
    if (is_list) {
      fmt::print("{}", trail::format_entry(told.story));
      continue;
    }
    if (&told != &all.front()) fmt::print("\n");
    fmt::print("{}", trail::format_story(told.story, told.children));
    has_edge = has_edge || std::ranges::any_of(told.story.lines, [](const trail::Line& line) {
                 return line.record.source == "edge";
               });
  }
  if (has_edge) fmt::print("(edge talks to strangers: what it alone says is not proved.)\n");
  if (is_list) fmt::print("`posthorn trace ID` tells one of them in full.\n");
  if (all.size() >= max) fmt::print("The newest {}; --max shows more.\n", max);
}

// The options that leave mails out. One that is all that was asked for cannot be left away.
std::string narrowed_by(const TraceOptions& options) {
  std::vector<std::string_view> names;
  if (!options.sender.empty()) names.emplace_back("--from");
  if (!options.recipient.empty()) names.emplace_back("--to");
  if (!options.since.empty()) names.emplace_back("--since");
  if (options.refused) names.emplace_back("--refused");
  if (options.what.empty() && names.size() == 1) return "";
  return fmt::format("{}", fmt::join(names, ", "));
}

int complain_nothing(const config::Config& config, const TraceOptions& options,
                     const TrailExtent& extent) {
  std::string known =
      extent.records == 0
          ? "it knows of no mail yet"
          : fmt::format("it goes back to {} (trail.keep, trail.size_max)", extent.first);
  if (!extent.paused.empty()) known += "; nothing is kept now: " + extent.paused;
  if (!config.trail.hindrance.empty()) known += "; " + config.trail.hindrance;
  // Where the search was narrowed, that is the first thing to doubt.
  const std::string narrowed = narrowed_by(options);
  if (!narrowed.empty())
    known += "; try it without " + narrowed;
  else if (options.what.contains('@'))
    known += "; an address is looked for as it stands in MAIL FROM and RCPT TO, not in the header";
  else
    known += "; try an address of the mail, or its Message-ID in <>";
  if (narrowed.empty() && extent.records > 0)
    known += ". What it lost while it was away stands in the log as trail.dropped";
  return complain(
      fmt::format("the trail holds nothing of {}: {}",
                  options.what.empty() ? "such a mail" : trail::clean_name(options.what), known));
}

}  // namespace

int trace_mail(const config::Config& config, const TraceOptions& options) {
  if (options.what.empty() && options.sender.empty() && options.recipient.empty() &&
      options.since.empty() && !options.refused)
    return complain(
        "name a queue id, a Message-ID or an address, or give --from, --to, --since or "
        "--refused",
        kUsage);
  if (is_null_sender(options.what) || is_null_sender(options.recipient))
    return complain(
        "<> is the sender of every notice: --from '<>' finds them, best with --to USER@DOMAIN; "
        "else "
        "name a queue id, a Message-ID or an address",
        kUsage);
  const auto since = parse_since(options.since, Clock::system().now());
  if (!options.since.empty() && !since)
    return complain(fmt::format("--since {}: a time like 2d, 3h, 1h30m, or a day like 2026-11-30",
                                trail::clean_name(options.since)),
                    kUsage);
  const auto source = open_trail(config);
  if (!source) return complain(source.error().what);
  const auto all = Tracer(config, **source, options, since).look();
  if (!all) return complain(all.error().what);
  const auto extent = (*source)->measure();
  if (!extent) return complain(extent.error().what);
  if (options.json) print_json(*all, *extent);
  if (all->empty()) return options.json ? 1 : complain_nothing(config, options, *extent);
  if (!options.json) print_stories(*all, options.max);
  return 0;
}

}  // namespace posthorn::tools
