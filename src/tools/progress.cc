#include "tools/progress.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace posthorn::tools {
namespace {

constexpr std::chrono::milliseconds kOnTerminal = 200ms, kInLog = 10s;
constexpr std::size_t kBar = 24;
constexpr std::size_t kColumns = 80;  // of a terminal that does not tell
constexpr auto kRateFrom = 1s;        // before, a rate says nothing yet

bool may_draw() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

std::size_t columns_now() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kColumns;
  return size.ws_col;
}

// A folder's name may hold anything; it must not steer the terminal.
std::string printable(std::string_view name) {
  std::string text;
  for (std::size_t at = 0; at < name.size(); ++at) {
    const auto c = static_cast<unsigned char>(name[at]);
    const bool is_c1 = c == 0xC2 && at + 1 < name.size() &&
                       static_cast<unsigned char>(name[at + 1]) < 0xA0;  // U+0080 to U+009F
    text += c < 0x20 || c == 0x7F || is_c1 ? '?' : name[at];
    if (is_c1) ++at;
  }
  return text;
}

// At most so many: what is not ASCII may be two wide.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) ++width;
    if (byte >= 0xC0) width += 2;
  }
  return width;
}

std::uint64_t percent(const Standing& standing) {
  return std::min(standing.done, standing.all) * 100 / standing.all;
}

std::string count_text(const Standing& standing) {
  return standing.messages_all == 0
             ? fmt::format("{} messages", standing.messages)
             : fmt::format("{} of {} messages", standing.messages, standing.messages_all);
}

std::string rate_text(const Standing& standing) {
  if (standing.time < kRateFrom) return {};
  const double seconds = std::chrono::duration<double>(standing.time).count();
  return fmt::format("{:.0f}/s", static_cast<double>(standing.messages) / seconds);
}

// By how long it took so far.
std::string left_text(const Standing& standing) {
  if (standing.done == 0 || standing.done >= standing.all || standing.time < kRateFrom) return {};
  const double part = static_cast<double>(standing.done) / static_cast<double>(standing.all);
  const double left = std::chrono::duration<double>(standing.time).count() * (1 - part) / part;
  const auto seconds = static_cast<std::uint64_t>(left) + 1;
  if (seconds < 100) return fmt::format("{} s left", seconds);
  const std::uint64_t minutes = (seconds + 59) / 60;
  if (minutes < 100) return fmt::format("{} min left", minutes);
  return fmt::format("{} h {:02} min left", minutes / 60, minutes % 60);
}

}  // namespace

std::string draw_standing(const Standing& standing, std::size_t columns) {
  std::string line = count_text(standing);
  if (standing.all > 0) {
    const std::uint64_t part = percent(standing);
    line.insert(0, fmt::format("{:3} %  ", part));
    std::string bar(kBar, '-');
    std::fill_n(bar.begin(), kBar * part / 100, '#');
    bar = fmt::format("[{}] ", bar);
    if (bar.size() + line.size() < columns) line.insert(0, bar);
  }
  for (std::string more : {rate_text(standing), left_text(standing),
                           standing.folder.empty() ? "" : "in " + printable(standing.folder)}) {
    if (more.empty()) continue;
    more.insert(0, ", ");
    if (width_of(line) + width_of(more) >= columns) break;  // the cursor needs one
    line += more;
  }
  return line;
}

std::string tell_standing(const Standing& standing) {
  std::string line = count_text(standing);
  if (standing.all > 0) line += fmt::format(" ({} %)", percent(standing));
  if (const std::string left = left_text(standing); !left.empty()) line += ", " + left;
  return line + ", in " + printable(standing.folder) + " now";
}

Progress::Progress()
    : is_terminal_(may_draw()), due_(begun_ + (is_terminal_ ? kOnTerminal : kInLog)) {}

void Progress::expect_messages(std::size_t all) {
  standing_.messages_all = standing_.all = all;
}

void Progress::expect_bytes(std::uint64_t all) {
  standing_.all = all;
}

void Progress::count_one(std::string_view folder, std::uint64_t bytes) {
  ++standing_.messages;
  standing_.done = standing_.messages_all > 0 ? standing_.messages : bytes;
  const SteadyTime now = Clock::system().steady_now();
  if (now < due_) return;
  due_ = now + (is_terminal_ ? kOnTerminal : kInLog);
  standing_.time = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_);
  standing_.folder = folder;
  show(is_terminal_ ? draw_standing(standing_, columns_now()) : tell_standing(standing_));
}

void Progress::say(std::string_view what) {
  if (!is_shown_) return;
  show(fmt::format("{} messages {}", standing_.messages, what));
}

void Progress::show(std::string line) {
  if (is_terminal_)
    fmt::print(stderr, "\r\x1b[K{}", line);
  else
    fmt::print(stderr, "posthorn: {}\n", line);
  std::fflush(stderr);
  is_shown_ = true;
}

Progress& progress() {
  static Progress one;
  return one;
}

void Progress::end() {
  if (is_shown_ && is_terminal_) fmt::print(stderr, "\r\x1b[K");
  is_shown_ = false;
}

}  // namespace posthorn::tools
