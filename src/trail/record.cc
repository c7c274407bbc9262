#include "trail/record.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/events.h"
#include "base/print.h"
#include "base/utf8.h"

namespace posthorn::trail {
namespace {

// Line ends become blanks, other control bytes and what is no UTF-8 a question mark.
void add_value(std::string& out, std::string_view value) {
  value = value.substr(0, kValueMax);
  const bool is_plain = std::ranges::all_of(value, [](char c) { return c >= ' ' && c < 0x7F; });
  if (is_plain) {
    out += value;
    return;
  }
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    const char c = value.front();
    if (c == '\n' || c == '\r' || c == '\t')
      out += ' ';
    else if (length == 0 || static_cast<unsigned char>(c) < ' ' || c == 0x7F ||
             is_c1_control(value))
      out += '?';
    else
      out += value.substr(0, length);
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

bool is_sound_value(std::string_view value) {
  if (value.size() > kValueMax) return false;
  std::string again;
  add_value(again, value);
  return again == value;
}

bool is_word(std::string_view text, std::size_t size_max) {
  return !text.empty() && text.size() <= size_max && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

void add_head(std::string& out, WallTime at, std::string_view event, std::string_view session,
              std::string_view queue) {
  print_to(out, "{} {} {} {}", at.time_since_epoch().count(), event,
           session.empty() ? "-" : session, queue.empty() ? "-" : queue);
}

void add_detail(std::string& out, std::string_view key) {
  out += '\n';
  out += key;
  out += '=';
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

Error fault(std::string_view what) {
  return {ErrorKind::protocol, fmt::format("a record of the trail has a fault: {}", what)};
}

// "<a@x>" is a@x; null senders have no name.
std::string bare(std::string_view text, NameRole role) {
  if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
  return role == NameRole::message_id ? std::string(text) : to_lower(text);
}

struct NamedKey {
  std::string_view key;
  NameRole role;
  bool is_list = false;  // "a@x,b@y"
};
constexpr NamedKey kNamedKeys[] = {{"from", NameRole::sender},
                                   {"sender", NameRole::sender},
                                   {"as", NameRole::sender},
                                   {"to", NameRole::recipient, true},
                                   {"rcpt", NameRole::recipient, true},
                                   {"named", NameRole::recipient, true},
                                   {"account", NameRole::account},
                                   {"user", NameRole::account},
                                   {"client", NameRole::client},
                                   {"address", NameRole::client},
                                   {"message_id", NameRole::message_id}};
constexpr std::size_t kNamesMax = 100;

}  // namespace

std::string_view Record::get(std::string_view key) const {
  for (const auto& [name, value] : details)
    if (name == key) return value;
  return {};
}

std::vector<std::string_view> Record::all(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const auto& [name, value] : details)
    if (name == key) values.push_back(value);
  return values;
}

std::string format_record(const Record& record) {
  std::string out;
  add_head(out, record.at, record.event, record.session, record.queue_id);
  for (std::size_t i = 0; i < std::min(record.details.size(), kDetailsMax); ++i) {
    if (out.size() + 2 * kValueMax > kTextMax) break;
    add_detail(out, record.details[i].first);
    add_value(out, record.details[i].second);
  }
  return out;
}

std::string format_record(WallTime at, const log::Event& event, std::string_view session,
                          std::string_view queue, log::Fields fields) {
  std::string out, value;
  out.reserve(256);
  add_head(out, at, event.name, session, queue);
  for (const log::Field& field : fields) {
    if (out.size() + 2 * kValueMax > kTextMax) break;
    add_detail(out, field.key());
    value.clear();
    field.append_value_to(value);
    add_value(out, value);
  }
  return out;
}

Result<Record> parse_record(std::string_view text) {
  if (text.size() > kTextMax) return std::unexpected(fault("it is too long"));
  Record record;
  std::string_view head = take_line(text);
  const auto at = to_number<std::int64_t>(take_word(head));
  if (!at || *at < 0) return std::unexpected(fault("its time"));
  record.at = WallTime(std::chrono::milliseconds(*at));
  const std::string_view event = take_word(head), session = take_word(head);
  if (!is_word(event, 64)) return std::unexpected(fault("its event"));
  if (!is_word(session, 64) || !is_word(head, 64)) return std::unexpected(fault("its ids"));
  record.event = event;
  if (session != "-") record.session = session;
  if (head != "-") record.queue_id = head;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || !is_word(line.substr(0, equals), 32))
      return std::unexpected(fault("a key"));
    const std::string_view value = line.substr(equals + 1);
    if (!is_sound_value(value)) return std::unexpected(fault("a value"));
    if (record.details.size() >= kDetailsMax) return std::unexpected(fault("too many details"));
    record.details.emplace_back(line.substr(0, equals), value);
  }
  return record;
}

std::vector<Name> names_of(const Record& record) {
  std::vector<Name> names;
  const auto add = [&](std::string_view text, NameRole role) {
    Name name{bare(text, role), role};
    if (!name.text.empty() && names.size() < kNamesMax &&
        std::ranges::find(names, name) == names.end())
      names.push_back(std::move(name));
  };
  for (const auto& [key, value] : record.details) {
    const auto* named = std::ranges::find(kNamedKeys, std::string_view(key), &NamedKey::key);
    if (named == std::end(kNamedKeys)) continue;
    std::string_view rest = value;
    while (named->is_list && rest.find(',') != std::string_view::npos) {
      const std::size_t comma = rest.find(',');
      add(rest.substr(0, comma), named->role);
      rest.remove_prefix(comma + 1);
    }
    add(rest, named->role);
  }
  return names;
}

bool is_refusal(std::string_view event) {
  constexpr const log::Event* kRefusals[] = {
      &event::smtp_mail_refused, &event::smtp_rcpt_refused,  &event::smtp_refused,
      &event::smtp_rate_refused, &event::smtp_lookup_failed, &event::connection_refused,
      &event::queue_failed,      &event::sieve_rejected,     &event::store_refused,
      &event::quota_refused,     &event::auth_failed};
  return std::ranges::any_of(kRefusals, [&](const log::Event* one) { return one->name == event; });
}

std::string_view child_of(const Record& record) {
  return record.source == "edge" ? std::string_view() : record.get("child");
}

}  // namespace posthorn::trail
