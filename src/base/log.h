// The log: one line = one event, logfmt; what tells of a mail's life is handed to the trail, too,
// so that a decision is said once and stands in both. E.g.
//   ts=2026-11-21T04:26:46.123Z level=info role=edge event=smtp.rcpt.refused s=7K2QD4MX q=-
//   rcpt="x@y" reply=550
// Values are escaped here and cut at 512 bytes, so no peer can forge a line; no secret is ever
// passed in. Events are declared in base/events.h, each with a sentence for the operator.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace posthorn::log {

enum class Level { debug, info, warning, error };

// The roles that may have the trail keep an event; 0: it goes to the log alone.
using Senders = std::uint8_t;
inline constexpr Senders kEdge = 1, kLookup = 2, kQueue = 4, kStore = 8;

struct Event {
  std::string_view name;     // dotted, e.g. "smtp.rcpt.refused"
  std::string_view meaning;  // one sentence for the operator, printed by `posthorn events`
  Senders senders = 0;
};

// A key and a value; the value is copied as text only when the line is written.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), text_(value) {}
  Field(std::string_view key, const char* value) : key_(key), text_(value) {}
  Field(std::string_view key, const std::string& value) : key_(key), text_(value) {}
  template <std::integral T>
  Field(std::string_view key, T value)
      : key_(key), number_(static_cast<std::int64_t>(value)), is_number_(true) {}
  template <class Rep, class Period>
  Field(std::string_view key, std::chrono::duration<Rep, Period> value)
      : key_(key),
        number_(std::chrono::duration_cast<std::chrono::milliseconds>(value).count()),
        is_number_(true) {}

  std::string_view key() const { return key_; }
  void append_to(std::string& line) const;        // " key=value", escaped
  void append_value_to(std::string& text) const;  // as it was given

 private:
  std::string_view key_;
  std::string_view text_;
  std::int64_t number_ = 0;
  bool is_number_ = false;
};

using Fields = std::initializer_list<Field>;

// Has each event of trail/ as it is logged, at whatever level. Never waits and never fails: what
// it cannot keep it drops. On any thread.
class Recorder {
 public:
  virtual ~Recorder() = default;
  // session and queue: "-" where there is none.
  virtual void take(const Event& event, std::string_view session, std::string_view queue,
                    Fields fields) noexcept = 0;
};

// Carries the session and queue ids into every line. Copy it freely.
class Logger {
 public:
  Logger() = default;
  Logger with_session(std::string_view id) const;
  Logger with_queue(std::string_view id) const;

  void debug(const Event& event, Fields fields = {}) const { write(Level::debug, event, fields); }
  void info(const Event& event, Fields fields = {}) const { write(Level::info, event, fields); }
  void warn(const Event& event, Fields fields = {}) const { write(Level::warning, event, fields); }
  void error(const Event& event, Fields fields = {}) const { write(Level::error, event, fields); }

 private:
  void write(Level level, const Event& event, Fields fields) const;

  std::string session_ = "-";
  std::string queue_ = "-";
};

// Text as a logfmt value: quoted when needed, control bytes and invalid UTF-8 as \xNN, cut at 512
// bytes.
std::string escape(std::string_view value);

struct Options {
  Level level = Level::info;
  std::string role = "-";
  std::string file;  // empty or "-" = standard output
  // That file, open already: a role, which may not open it, has it from the supervisor. -1: it is
  // opened here.
  int descriptor = -1;
};
// Once, at the start of a process, before the first line. A log that cannot be written never stops
// mail.
void start(const Options& options);
void set_level(Level level);
// The name of the log may lead to another file by now (logrotate): opened anew, and lines go there
// from the next one on. Where that fails, they go on into the one of before. false: it is standard
// output. Blocks.
Result<bool> reopen();
// Lines go there from the next one on.
void write_to(File file);
// Of the log's file, to be handed on; -1: lines go to standard output.
int descriptor();
// Of this process; nullptr: nobody keeps what is logged.
void record_by(Recorder* recorder);
// Tests take the lines instead of standard output; an empty function gives them back.
void capture(void (*sink)(std::string_view line));

}  // namespace posthorn::log
