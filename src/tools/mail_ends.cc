#include "tools/mail_ends.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/utf8.h"
#include "trail/sentences.h"
#include "trail/words.h"

namespace posthorn::tools {
namespace {

constexpr std::size_t kLineShownMax = 200;  // bytes of a script's line
constexpr std::size_t kTextMax = 1500;      // bytes of a line that is told

// What a record says of a recipient's end.
enum class Says : std::uint8_t {
  end,      // this became of it
  took,     // the queue is done with it: an end only where the store told none
  trouble,  // not yet
  all       // it became this of all recipients
};
struct Row {
  const log::Event* event;
  Says says;
};
constexpr Row kRows[] = {
    {&event::store_delivered, Says::end},    {&event::store_discarded, Says::end},
    {&event::store_refused, Says::end},      {&event::sieve_rejected, Says::end},
    {&event::sieve_redirected, Says::end},   {&event::queue_delivered, Says::took},
    {&event::queue_failed, Says::took},      {&event::store_failed, Says::trouble},
    {&event::queue_deferred, Says::trouble}, {&event::queue_discarded, Says::all},
    {&event::queue_deleted, Says::all}};

const Row* find_row(const trail::Record& record) {
  const auto* row =
      std::ranges::find_if(kRows, [&](const Row& one) { return one.event->name == record.event; });
  return row == std::end(kRows) ? nullptr : row;
}

bool is(const trail::Record& record, const log::Event& event) {
  return record.event == event.name;
}

std::string or_words(std::string_view text, std::string_view otherwise) {
  return std::string(text.empty() ? otherwise : text);
}

std::string flags_in_words(std::string_view flags) {
  return flags.empty() ? "" : fmt::format(", flags {}", flags);
}

std::string sentence_of(const trail::Record& r) {
  if (is(r, event::store_delivered)) {
    const std::string uid = r.get("uid") == "0" ? "" : fmt::format(" as UID {}", r.get("uid"));
    return fmt::format("filed in {}{}{}", r.get("mailbox"), uid, flags_in_words(r.get("flags")));
  }
  if (is(r, event::store_discarded)) return "thrown away";
  if (is(r, event::store_refused)) return fmt::format("refused: {}", r.get("reason"));
  if (is(r, event::sieve_rejected))
    return fmt::format("refused by {}, and its sender told: {}", or_words(r.get("how"), "reject"),
                       r.get("text"));
  if (is(r, event::sieve_redirected))
    return fmt::format("sent on to {} as {}", r.get("rcpt"), r.get("child"));
  if (is(r, event::store_failed))
    return fmt::format("not stored yet, it is tried again: {}",
                       or_words(r.get("reason"), r.get("error")));
  if (is(r, event::queue_delivered) && trail::is_store(r.get("relay")))
    return fmt::format("taken by the store, which has not said more yet: {}", r.get("reply"));
  if (is(r, event::queue_delivered))
    return fmt::format("handed over to {}: {}", or_words(r.get("relay"), "the next host"),
                       r.get("reply"));
  if (is(r, event::queue_failed)) return fmt::format("not delivered, for good: {}", r.get("reply"));
  if (is(r, event::queue_deferred))
    return fmt::format("not delivered yet, it is tried again: {}", r.get("reply"));
  if (is(r, event::queue_discarded))
    return fmt::format("thrown away by filter.discard_score: the filter gave it {} points",
                       r.get("score"));
  return "deleted from the queue by command";
}

// "line 3 of default.sieve asked for it"; empty: nobody is named.
std::string asker_of(const trail::Record& r) {
  const std::string_view script = r.get("script"), reason = r.get("reason");
  const bool is_refusal = is(r, event::store_refused) || is(r, event::store_failed);
  if (is_refusal || (script.empty() && reason.empty())) return {};
  if (script.empty() || script == "-") return or_words(reason, "no script asked for it");
  const std::string_view line = r.get("line");
  if (line.empty() || line == "0") {
    if (reason.starts_with("no rule matched"))
      return fmt::format("no rule of {} matched{}", script,
                         reason.substr(std::size("no rule matched") - 1));
    return fmt::format("{} asked for it{}{}", script, reason.empty() ? "" : ": ", reason);
  }
  return fmt::format("line {} of {} asked for it{}{}", line, script, reason.empty() ? "" : ": ",
                     reason);
}

// A script is written by its user, and read on the administrator's terminal.
std::string printable(std::string_view line) {
  std::string out;
  while (!line.empty()) {
    const std::size_t length = utf8_length(line);
    const char c = line.front();
    const bool is_control = (c >= 0 && c < ' ' && c != '\t') || c == 0x7F;
    if (length > 0 && !is_control && !is_c1_control(line)) out += line.substr(0, length);
    line.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

void look_at_script(EndShown& shown, const EndLookups& lookups) {
  const trail::Record& r = shown.record;
  const auto line = to_number<std::size_t>(r.get("line"));
  if (!line || *line == 0) return;
  const std::string script(r.get("script"));
  const auto found = lookups.find_script(std::string(r.get("account")), script);
  if (!found) {
    shown.no_script = fmt::format("{} cannot be read: {}", script, found.error().what);
  } else if (!*found) {
    shown.no_script = fmt::format("{} is not there any more", script);
  } else {
    shown.excerpt = excerpt_of((*found)->text, *line);
    if (shown.excerpt.lines.empty())
      shown.no_script = fmt::format("{} has no such line now", script);
    if ((*found)->changed > r.at) shown.script_changed = format_log_time((*found)->changed);
  }
}

EndShown look_at(const trail::Record& record, const EndLookups& lookups) {
  EndShown shown{.record = record, .sentence = sentence_of(record), .by = asker_of(record)};
  look_at_script(shown, lookups);
  if (!is(record, event::store_delivered)) return shown;
  auto found = lookups.find_copy(record);
  if (found)
    shown.copies = *std::move(found);
  else
    shown.no_copies = found.error().what;
  return shown;
}

bool is_itself(const trail::Record& record, const LiesAt& at) {
  return at.mailbox == record.get("mailbox") && std::to_string(at.uid) == record.get("uid");
}

// Recipients, replies, mailboxes and scripts are others' words: a terminal gets nothing of theirs
// but words.
void add_line(std::string& out, std::string_view text) {
  out += "    ";
  out += trail::clean_text(text, kTextMax);
  out += '\n';
}

void tell_script(std::string& out, const EndShown& end) {
  const std::string_view line = end.record.get("line");
  for (const Excerpt::Line& one : end.excerpt.lines)
    add_line(out, fmt::format("{} {:>4}  {}", std::to_string(one.number) == line ? '>' : ' ',
                              one.number, one.text));
  if (!end.no_script.empty()) add_line(out, end.no_script);
  if (!end.script_changed.empty())
    add_line(out, fmt::format("the script was changed since, {}: its lines may be others now",
                              end.script_changed));
}

void tell_copies(std::string& out, const EndShown& end) {
  if (!end.no_copies.empty())
    add_line(out, fmt::format("where it lies now cannot be asked: {}", end.no_copies));
  if (!end.copies) return;
  if (end.copies->empty()) add_line(out, "it lies in no mailbox any more: it was removed");
  for (const LiesAt& at : *end.copies) {
    const bool is_there = is_itself(end.record, at);
    add_line(out,
             fmt::format("{} {}, UID {}{}",
                         is_there ? "it lies in"
                                  : "it is not there any more; one of its size and date lies in",
                         at.mailbox, at.uid, flags_in_words(at.flags)));
    if (is_there) add_line(out, fmt::format("file {}", or_words(at.path, end.record.get("file"))));
  }
}

nlohmann::ordered_json json_of_end(const EndShown& end) {
  nlohmann::ordered_json json = {{"at", format_log_time(end.record.at)},
                                 {"event", end.record.event},
                                 {"sentence", end.sentence}};
  for (const auto& [key, value] : end.record.details) json["details"][key] = value;
  if (!end.by.empty()) json["by"] = end.by;
  for (const Excerpt::Line& one : end.excerpt.lines)
    json["script"]["lines"].push_back({{"line", one.number}, {"text", one.text}});
  if (!end.no_script.empty()) json["script"]["error"] = end.no_script;
  if (!end.script_changed.empty()) json["script"]["changed"] = end.script_changed;
  if (!end.no_copies.empty()) json["now_error"] = end.no_copies;
  if (!end.copies) return json;
  json["now"] = nlohmann::ordered_json::array();
  for (const LiesAt& at : *end.copies) {
    nlohmann::ordered_json one = {{"mailbox", at.mailbox},
                                  {"uid", at.uid},
                                  {"flags", at.flags},
                                  {"is_moved", !is_itself(end.record, at)}};
    if (!at.path.empty()) one["path"] = at.path;
    json["now"].push_back(std::move(one));
  }
  return json;
}

}  // namespace

std::vector<MailEnd> ends_of(std::span<const trail::Record> records) {
  std::vector<MailEnd> ends;
  const auto end_of = [&](std::string_view recipient) -> MailEnd& {
    const auto known = std::ranges::find_if(
        ends, [&](const MailEnd& one) { return equals_ignoring_case(one.recipient, recipient); });
    return known != ends.end() ? *known : ends.emplace_back(std::string(recipient));
  };
  const auto says = [](const trail::Record& one) { return find_row(one)->says; };
  for (const trail::Record& record : records) {
    const Row* row = find_row(record);
    const std::string_view to = record.get("to");
    if (row == nullptr || (to.empty() && row->says != Says::all)) continue;
    MailEnd& end = end_of(row->says == Says::all ? "" : to);
    const bool has_end = std::ranges::any_of(
        end.records, [&](const trail::Record& one) { return says(one) != Says::trouble; });
    // Told by the store already, or long over.
    if (has_end && (row->says == Says::took || row->says == Says::trouble)) continue;
    // The queue's word may be known before the store's, which says more.
    std::erase_if(end.records, [&](const trail::Record& one) {
      return says(one) == Says::trouble || says(one) == Says::took;
    });
    end.records.push_back(record);
  }
  std::erase_if(ends, [](const MailEnd& one) { return one.records.empty(); });
  return ends;
}

bool is_end_of(const MailEnd& end, std::string_view whose) {
  const auto is_same = [&](std::string_view one) { return equals_ignoring_case(one, whose); };
  return whose.empty() || end.recipient.empty() || is_same(end.recipient) ||
         std::ranges::any_of(end.records,
                             [&](const trail::Record& one) { return is_same(one.get("account")); });
}

Excerpt excerpt_of(std::string_view script, std::size_t line) {
  Excerpt excerpt;
  std::size_t number = 0;
  bool has_line = false;
  while (!script.empty() && number <= line) {
    const std::size_t end = std::min(script.find('\n'), script.size());
    std::string text = printable(script.substr(0, end).substr(0, kLineShownMax));
    script.remove_prefix(std::min(end + 1, script.size()));
    ++number;
    if (number + 1 >= line) excerpt.lines.push_back({number, std::move(text)});
    has_line |= number == line;
  }
  if (!has_line) excerpt.lines.clear();
  return excerpt;
}

std::vector<MailEndShown> look_up(std::span<const MailEnd> ends, const EndLookups& lookups) {
  std::vector<MailEndShown> shown;
  for (const MailEnd& end : ends) {
    MailEndShown& one = shown.emplace_back(end.recipient);
    for (const trail::Record& record : end.records) one.ends.push_back(look_at(record, lookups));
  }
  return shown;
}

std::string tell_ends(std::span<const MailEndShown> ends) {
  std::string out;
  for (const MailEndShown& mail : ends) {
    out += trail::clean_text(or_words(mail.recipient, "all recipients")) + ":\n";
    for (const EndShown& end : mail.ends) {
      out += fmt::format("  {}  {}\n", format_log_time(end.record.at),
                         trail::clean_text(end.sentence, kTextMax));
      if (!end.by.empty()) add_line(out, end.by);
      tell_script(out, end);
      tell_copies(out, end);
      if (is(end.record, event::sieve_redirected))
        add_line(out, fmt::format("posthorn trace {} tells what became of it there",
                                  end.record.get("child")));
    }
  }
  return out;
}

nlohmann::ordered_json json_of(std::span<const MailEndShown> ends) {
  auto json = nlohmann::ordered_json::array();
  for (const MailEndShown& mail : ends) {
    auto list = nlohmann::ordered_json::array();
    for (const EndShown& end : mail.ends) list.push_back(json_of_end(end));
    json.push_back({{"recipient", mail.recipient}, {"ends", std::move(list)}});
  }
  return json;
}

}  // namespace posthorn::tools
