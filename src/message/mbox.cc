#include "message/mbox.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <fmt/format.h>

#include "message/headers.h"

namespace posthorn::message {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::optional<int> to_number(std::string_view text, int max) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > max)
    return std::nullopt;
  return value;
}

// "04:26" or "04:26:46", in seconds
std::optional<int> parse_time(std::string_view text) {
  if (text.size() != 5 && text.size() != 8) return std::nullopt;
  int seconds = 0;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    if (at > 0 && text[at - 1] != ':') return std::nullopt;
    const auto value = to_number(text.substr(at, 2), at == 0 ? 23 : 60);
    if (!value) return std::nullopt;
    seconds += *value * (at == 0 ? 3600 : at == 3 ? 60 : 1);
  }
  return seconds;
}

// asctime(3), UTC as RFC 4155 has it, or with an offset before or behind the year ("+0200", "CEST":
// a name is passed over). From words[at] on.
std::optional<WallTime> parse_asctime(const std::vector<std::string_view>& words, std::size_t at) {
  if (words.size() < at + 5 || std::ranges::find(kDays, words[at]) == kDays.end())
    return std::nullopt;
  const auto month = std::ranges::find(kMonths, words[at + 1]);
  const auto day = to_number(words[at + 2], 31);
  const auto seconds = parse_time(words[at + 3]);
  if (month == kMonths.end() || !day || *day == 0 || !seconds) return std::nullopt;
  std::optional<int> year;
  int offset = 0;
  for (std::size_t i = at + 4; i < words.size() && i < at + 7; ++i) {
    const std::string_view word = words[i];
    if (word.size() == 5 && (word[0] == '+' || word[0] == '-')) {
      if (const auto zone = to_number(word.substr(1), 9999))
        offset = (word[0] == '-' ? -1 : 1) * (*zone / 100 * 3600 + *zone % 100 * 60);
    } else if (const auto value = to_number(word, 9999); value && !year && word.size() == 4) {
      year = value;
    }
  }
  if (!year || *year < 1970) return std::nullopt;
  std::tm time{};
  time.tm_year = *year - 1900;
  time.tm_mon = static_cast<int>(month - kMonths.begin());
  time.tm_mday = *day;
  const std::time_t when = ::timegm(&time) + *seconds - offset;
  return WallTime(std::chrono::seconds(when));
}

// ">>From ", "From "
bool is_quotable(std::string_view line) {
  const std::size_t first = line.find_first_not_of('>');
  return first != std::string_view::npos && line.substr(first).starts_with("From ");
}

void read_marks(const Headers& headers, MboxMarks& marks) {
  const std::string all =
      headers.find("Status").value_or("") + headers.find("X-Status").value_or("");
  for (const char c : all) {
    marks.seen |= c == 'R';
    marks.old |= c == 'O';
    marks.answered |= c == 'A';
    marks.flagged |= c == 'F';
    marks.draft |= c == 'T';
    marks.deleted |= c == 'D';
  }
  for (const std::string& value : headers.find_all("X-Keywords"))
    for (const std::string_view word : words_of(value)) marks.keywords.emplace_back(word);
}

// What an mbox file adds to a message, and Content-Length, which the quoting makes wrong.
bool is_mark(std::string_view name) {
  for (const std::string_view one :
       {"Status", "X-Status", "X-Keywords", "X-UID", "X-IMAP", "X-IMAPbase", "Content-Length"})
    if (equals_ignoring_case(name, one)) return true;
  return false;
}

std::string without_marks(std::string_view text) {
  const auto end = find_header_end(text, Input::whole).value_or(HeaderEnd{});
  std::string out = Headers(text.substr(0, end.header_size)).without([](const Field& field) {
    return is_mark(field.name);
  });
  return out += text.substr(end.header_size);
}

}  // namespace

std::optional<FromLine> parse_from_line(std::string_view line) {
  if (!line.starts_with("From ")) return std::nullopt;
  const auto words = words_of(line.substr(5));
  // The sender may be missing, or hold blanks in quotes.
  for (std::size_t at = 0; at < words.size() && at < 8; ++at) {
    const auto date = parse_asctime(words, at);
    if (!date) continue;
    FromLine from{.sender = {}, .date = date};
    for (std::size_t i = 0; i < at; ++i) from.sender += (i > 0 ? " " : "") + std::string(words[i]);
    return from;
  }
  return std::nullopt;
}

void MboxReader::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    rest_ += piece.substr(0, end);
    if (end == std::string_view::npos) return;
    piece.remove_prefix(end + 1);
    const std::size_t size = rest_.size() + 1;
    if (rest_.ends_with('\r')) rest_.pop_back();
    line(rest_);
    rest_.clear();
    line_begin_ += size;
  }
}

void MboxReader::finish() {
  const std::size_t size = rest_.size();
  if (size > 0) line(std::exchange(rest_, {}));
  line_begin_ += size;
  end_message();
}

void MboxReader::line(std::string_view line) {
  if (after_empty_) {
    if (const auto from = parse_from_line(line)) {
      end_message();
      now_ = MboxMessage{.sender = from->sender, .date = from->date, .marks = {}, .text = {}};
      after_empty_ = false;
      return;
    }
  }
  after_empty_ = line.empty();
  if (!now_) {
    is_foreign_ |= !line.empty();
    return;
  }
  if (line.starts_with('>') && is_quotable(line)) line.remove_prefix(1);
  now_->text += line;
  now_->text += '\n';
}

void MboxReader::end_message() {
  if (!now_) return;
  MboxMessage message = *std::exchange(now_, std::nullopt);
  // The empty line that divides messages.
  if (message.text.ends_with("\n\n")) message.text.pop_back();
  const auto end = find_header_end(message.text, Input::whole).value_or(HeaderEnd{});
  const Headers headers(std::string_view(message.text).substr(0, end.header_size));
  // Not a message: what c-client's programs keep their numbers in.
  const bool is_internal =
      headers.has("X-IMAP") &&
      headers.find("Subject").value_or("").find("FOLDER INTERNAL DATA") != std::string::npos;
  if (is_internal) return;
  read_marks(headers, message.marks);
  message.text = without_marks(message.text);
  message.end = line_begin_;
  ready_.push_back(std::move(message));
}

std::optional<MboxMessage> MboxReader::take() {
  if (taken_ == ready_.size()) {
    ready_.clear();
    taken_ = 0;
    return std::nullopt;
  }
  return std::move(ready_[taken_++]);
}

std::string format_mbox_message(const MboxMessage& message) {
  const std::time_t when = std::chrono::duration_cast<std::chrono::seconds>(
                               message.date.value_or(WallTime{}).time_since_epoch())
                               .count();
  std::tm time{};
  ::gmtime_r(&when, &time);
  std::string sender;
  for (const char c : message.sender)
    if (static_cast<unsigned char>(c) > 0x20 && c != 0x7F) sender += c;
  std::string out = fmt::format(
      "From {} {} {} {:2} {:02}:{:02}:{:02} {}\n", sender.empty() ? "MAILER-DAEMON" : sender,
      kDays[static_cast<std::size_t>(time.tm_wday)], kMonths[static_cast<std::size_t>(time.tm_mon)],
      time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec, time.tm_year + 1900);
  const MboxMarks& marks = message.marks;
  std::string fields;
  if (marks.seen || marks.old)
    fields += fmt::format("Status: {}{}\n", marks.seen ? "R" : "", marks.old ? "O" : "");
  const std::string more = std::string(marks.answered ? "A" : "") + (marks.flagged ? "F" : "") +
                           (marks.draft ? "T" : "") + (marks.deleted ? "D" : "");
  if (!more.empty()) fields += fmt::format("X-Status: {}\n", more);
  if (!marks.keywords.empty()) {
    fields += "X-Keywords:";
    for (const std::string& keyword : marks.keywords) fields += " " + keyword;
    fields += '\n';
  }
  const std::string text = without_marks(message.text);
  const auto end = find_header_end(text, Input::whole).value_or(HeaderEnd{});
  const auto append = [&](std::string_view part) {
    while (!part.empty()) {
      const std::size_t lf = part.find('\n');
      const std::string_view one = part.substr(0, lf);
      if (is_quotable(one)) out += '>';
      out += one;
      out += '\n';
      part.remove_prefix(lf == std::string_view::npos ? part.size() : lf + 1);
    }
  };
  append(std::string_view(text).substr(0, end.header_size));
  out += fields;
  // Marks need a header to stand in: a body without one gets the empty line.
  if (end.header_size == end.body_begin) out += '\n';
  append(std::string_view(text).substr(end.header_size));
  out += '\n';
  return out;
}

}  // namespace posthorn::message
