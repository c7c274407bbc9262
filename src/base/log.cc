#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

#include "base/events.h"
#include "base/metrics.h"
#include "base/print.h"
#include "base/utf8.h"

namespace posthorn::log {
namespace {

constexpr std::size_t kValueMax = 512;

std::atomic<Level> threshold{Level::info};
std::atomic<void (*)(std::string_view)> captured{nullptr};
std::atomic<Recorder*> recorder{nullptr};
std::string role = "-";
std::shared_ptr<spdlog::logger> backend;

std::string_view to_string(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
  }
  return "info";
}

std::string begin_line(Level level, std::string_view event, std::string_view session,
                       std::string_view queue) {
  return fmt::format("ts={} level={} role={} event={} s={} q={}",
                     format_log_time(Clock::system().now()), to_string(level), role, event, session,
                     queue);
}

// A file or standard output, which may be a pipe that nobody reads for a while, or a full disk.
// Mail must not wait for it: a line that finds no room is dropped, and how many were is told as
// soon as one does. A line of a file is one write, so that those of several roles do not run into
// each other.
class Output final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit Output(File file) { take(std::move(file)); }

  void replace(File file) {
    const std::lock_guard lock(mutex_);
    take(std::move(file));
  }
  int file_descriptor() {
    const std::lock_guard lock(mutex_);
    return file_.fd();
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (dropped_ > 0) {
      const std::string told = (is_torn_ ? "\n" : "") +
                               begin_line(Level::warning, event::log_dropped.name, "-", "-") +
                               fmt::format(" lines={}\n", dropped_);
      if (write_all(told)) dropped_ = 0;
    }
    if (dropped_ > 0 || !write_all({line.data(), line.size()})) {
      ++dropped_;
      metrics::count(metric::log_dropped);
    }
  }
  void flush_() override {}

 private:
  // A pipe that is ready takes this much without waiting (pipe(7)).
  static constexpr std::size_t kPieceMax = 4096;

  void take(File file) {
    file_ = std::move(file);
    fd_ = file_.is_open() ? file_.fd() : STDOUT_FILENO;
    struct stat st{};
    const bool is_known = ::fstat(fd_, &st) == 0;
    is_pipe_ = is_known && S_ISFIFO(st.st_mode);
    is_regular_ = is_known && S_ISREG(st.st_mode);
    is_torn_ = false;
  }

  bool write_all(std::string_view bytes) {
    const std::size_t size = bytes.size();
    while (!bytes.empty()) {
      const ssize_t n = is_regular_  ? ::write(fd_, bytes.data(), bytes.size())
                        : is_ready() ? write_now(bytes.substr(0, kPieceMax))
                                     : 0;
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        is_torn_ |= bytes.size() < size;
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    is_torn_ = false;
    return true;
  }

  bool is_ready() const {
    pollfd wait{fd_, POLLOUT, 0};
    return ::poll(&wait, 1, 0) == 1 && (wait.revents & POLLOUT) != 0;
  }

  // Another role may fill the pipe between the look and the write.
  ssize_t write_now(std::string_view piece) const {
    const iovec part{const_cast<char*>(piece.data()), piece.size()};
    if (is_pipe_) {
      const ssize_t n = ::pwritev2(fd_, &part, 1, -1, RWF_NOWAIT);
      if (n >= 0 || errno != EOPNOTSUPP) return n;
    }
    return ::write(fd_, piece.data(), piece.size());
  }

  File file_;  // not open: standard output
  int fd_ = STDOUT_FILENO;
  bool is_pipe_ = false, is_regular_ = false;
  std::uint64_t dropped_ = 0;
  bool is_torn_ = false;  // the last line that was begun lacks its end
};

std::shared_ptr<Output> output;
std::string path;  // empty: standard output

// Never waits, whatever the name leads to: a pipe without a reader is an error.
Result<File> open_file(const std::string& name) {
  std::error_code ignored;
  if (const Path folder = Path(name).parent_path(); !folder.empty())
    std::filesystem::create_directories(folder, ignored);
  File file(::open(name.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                   0666));
  if (!file.is_open()) return fail_errno("open", name, errno);
  return file;
}

bool needs_quotes(std::string_view value) {
  if (value.empty()) return true;
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u >= 0x7F || c == '"' || c == '\\' || c == '=') return true;
  }
  return false;
}

}  // namespace

std::string escape(std::string_view value) {
  const bool cut = value.size() > kValueMax;
  if (cut) value = value.substr(0, kValueMax);
  if (!cut && !needs_quotes(value)) return std::string(value);
  std::string out = "\"";
  while (!value.empty()) {
    const char c = value.front();
    const auto u = static_cast<unsigned char>(c);
    const std::size_t length = utf8_length(value);
    const bool control = u < 0x20 || u == 0x7F || is_c1_control(value);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      value.remove_prefix(1);
    } else if (length == 0 || control) {
      const std::size_t bytes = length == 0 ? 1 : length;
      for (std::size_t i = 0; i < bytes; ++i)
        print_to(out, "\\x{:02X}", static_cast<unsigned char>(value[i]));
      value.remove_prefix(bytes);
    } else {
      out += value.substr(0, length);
      value.remove_prefix(length);
    }
  }
  if (cut) out += "…";
  out += '"';
  return out;
}

void Field::append_to(std::string& line) const {
  line += ' ';
  line += key_;
  line += '=';
  if (is_number_) {
    print_to(line, "{}", number_);
  } else {
    line += escape(text_);
  }
}

void Field::append_value_to(std::string& text) const {
  if (is_number_)
    print_to(text, "{}", number_);
  else
    text += text_;
}

Logger Logger::with_session(std::string_view id) const {
  Logger copy = *this;
  copy.session_ = id.empty() ? "-" : escape(id);
  return copy;
}

Logger Logger::with_queue(std::string_view id) const {
  Logger copy = *this;
  copy.queue_ = id.empty() ? "-" : escape(id);
  return copy;
}

void Logger::write(Level level, const Event& event, Fields fields) const {
  if (event.senders != 0)
    if (auto* kept_by = recorder.load(std::memory_order_acquire))
      kept_by->take(event, session_, queue_, fields);
  if (level < threshold.load(std::memory_order_relaxed)) return;
  std::string line = begin_line(level, event.name, session_, queue_);
  for (const Field& field : fields) field.append_to(line);
  if (auto* sink = captured.load()) return sink(line);
  if (!backend) start({});
  backend->log(spdlog::level::info, line);
}

void start(const Options& options) {
  threshold = options.level;
  role = options.role;
  path = options.file == "-" ? "" : options.file;
  File file(options.descriptor);
  if (!path.empty() && !file.is_open()) {
    if (auto opened = open_file(path))
      file = *std::move(opened);
    else  // standard output serves then, until reopen() has it
      fmt::print(stderr, "log: {}\n", opened.error().what);
  }
  output = std::make_shared<Output>(std::move(file));
  backend = std::make_shared<spdlog::logger>("posthorn", output);
  backend->set_formatter(
      std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n"));
  backend->set_level(spdlog::level::trace);
  backend->flush_on(spdlog::level::info);
  backend->set_error_handler([](const std::string&) {});
}

Result<bool> reopen() {
  if (path.empty() || !output) return false;
  TRY(File file, open_file(path));
  output->replace(std::move(file));
  return true;
}

void write_to(File file) {
  if (output) output->replace(std::move(file));
}

int descriptor() {
  return output ? output->file_descriptor() : -1;
}

void record_by(Recorder* one) {
  recorder.store(one, std::memory_order_release);
}

void set_level(Level level) {
  threshold = level;
}

void capture(void (*sink)(std::string_view)) {
  captured = sink;
}

}  // namespace posthorn::log
