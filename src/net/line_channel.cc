#include "net/line_channel.h"

#include <deque>
#include <fmt/format.h>

#include "net/buffer.h"
#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kWaitingMax = 10'000;
constexpr auto kWriteTimeout = 30s;

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\0':
        out += "\\0";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return fail(ErrorKind::protocol, "an escape without its letter");
    switch (text[i]) {
      case 't':
        out += '\t';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case '0':
        out += '\0';
        break;
      case '\\':
        out += '\\';
        break;
      default:
        return fail(ErrorKind::protocol, "an unknown escape");
    }
  }
  return out;
}

// A line, or closed/timeout; a line over the limit is a protocol error.
Task<std::string> read_line(Stream& stream, InBuffer& buffer, SteadyTime deadline) {
  while (true) {
    if (const auto line = buffer.take_line()) co_return std::string(*line);
    if (buffer.data().size() > kLineMax) co_return fail(ErrorKind::protocol, "a line over 64 KiB");
    buffer.release();
    if (buffer.empty()) CO_TRY_OK(co_await stream.wait_readable(deadline));
    CO_TRY_OK(co_await buffer.fill(stream, deadline, 4096));
  }
}

}  // namespace

Message& Message::add(std::string_view key, std::string_view value) & {
  fields.emplace_back(key, value);
  return *this;
}

Message&& Message::add(std::string_view key, std::string_view value) && {
  fields.emplace_back(key, value);
  return std::move(*this);
}

std::optional<std::string_view> Message::find(std::string_view key) const {
  for (const auto& [name, value] : fields)
    if (name == key) return value;
  return std::nullopt;
}

std::string_view Message::get(std::string_view key) const {
  return find(key).value_or(std::string_view());
}

std::vector<std::string_view> Message::all(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const auto& [name, value] : fields)
    if (name == key) values.push_back(value);
  return values;
}

std::string format_message(std::string_view tag, const Message& message) {
  std::string line;
  append_escaped(line, tag);
  line += '\t';
  append_escaped(line, message.verb);
  for (const auto& [key, value] : message.fields) {
    line += '\t';
    append_escaped(line, key);
    line += '=';
    append_escaped(line, value);
  }
  line += '\n';
  return line;
}

Result<TaggedMessage> parse_message(std::string_view line) {
  TaggedMessage tagged;
  std::size_t number = 0;
  while (true) {
    const std::size_t tab = line.find('\t');
    const std::string_view field = line.substr(0, tab);
    if (number == 0) {
      TRY(tagged.tag, unescape(field));
    } else if (number == 1) {
      TRY(tagged.message.verb, unescape(field));
    } else {
      const std::size_t equals = field.find('=');
      if (equals == std::string_view::npos) return fail(ErrorKind::protocol, "a field without =");
      TRY(auto key, unescape(field.substr(0, equals)));
      TRY(auto value, unescape(field.substr(equals + 1)));
      tagged.message.fields.emplace_back(std::move(key), std::move(value));
    }
    ++number;
    if (tab == std::string_view::npos) break;
    line.remove_prefix(tab + 1);
  }
  if (number < 2 || tagged.tag.empty() || tagged.message.verb.empty())
    return fail(ErrorKind::protocol, "a line without tag and verb");
  return tagged;
}

struct LineChannel::State {
  struct Waiter {
    explicit Waiter(const Executor& executor) : ready(executor) {}
    Event ready;
    std::optional<Result<Message>> answer;
  };
  State(Scope& s, Address a) : scope(s), address(std::move(a)), outgoing(s.executor()) {}

  Scope& scope;
  Address address;
  StreamPtr stream;
  Event outgoing;     // something stands in lines
  std::string lines;  // to be written
  std::unordered_map<std::string, Waiter*> waiting;
  std::uint64_t next_tag = 1;
  bool running = false;
  bool closed = false;
  std::chrono::milliseconds backoff{50};
  SteadyTime not_before{};

  void fail_all(const Error& error) {
    for (auto& [tag, waiter] : waiting) {
      waiter->answer = std::unexpected(Error{ErrorKind::temporary, error.what});
      waiter->ready.set();
    }
    waiting.clear();
    lines.clear();
  }

  static Awaitable<void> write_lines(std::shared_ptr<State> self, Stream* stream) {
    while (!self->closed && self->stream.get() == stream) {
      if (self->lines.empty()) {
        co_await self->outgoing.wait(SteadyTime::max());
        continue;
      }
      const std::string lines = std::exchange(self->lines, {});
      if (!co_await stream->write(lines, self->scope.after(kWriteTimeout))) stream->close();
    }
    self->writer_done = true;
    self->outgoing.set();
  }

  static Task<> read_answers(std::shared_ptr<State> self) {
    InBuffer buffer;
    while (true) {
      CO_TRY(const auto line, co_await read_line(*self->stream, buffer, SteadyTime::max()));
      CO_TRY(auto tagged, parse_message(line));
      const auto found = self->waiting.find(tagged.tag);
      if (found == self->waiting.end()) continue;  // its asker gave up
      found->second->answer = std::move(tagged.message);
      found->second->ready.set();
      self->waiting.erase(found);
      self->backoff = 50ms;
    }
  }

  // One connection's life: connect, write and read until it breaks, fail what is unanswered.
  static Awaitable<void> run(std::shared_ptr<State> self) {
    const auto now = self->scope.clock().steady_now();
    if (self->not_before > now)
      co_await sleep(std::chrono::duration_cast<std::chrono::milliseconds>(self->not_before - now) +
                     1ms);
    Result<> outcome;
    auto connected = co_await connect(self->scope.executor(), self->address, self->scope.after(5s));
    if (!connected) {
      outcome = std::unexpected(connected.error());
    } else if (!self->closed) {
      self->stream = *std::move(connected);
      self->writer_done = false;
      self->scope.spawn(write_lines(self, self->stream.get()));
      outcome = co_await read_answers(self);
      self->stream->close();
      const StreamPtr old = std::move(self->stream);
      while (!self->writer_done) {
        self->outgoing.set();
        co_await sleep(2ms);
      }
    }
    self->not_before = self->scope.after(self->backoff);
    self->backoff = std::min<std::chrono::milliseconds>(self->backoff * 2, 2s);
    self->running = false;
    self->fail_all(outcome ? Error{ErrorKind::temporary, "closed"} : outcome.error());
  }

  bool writer_done = true;
};

LineChannel::LineChannel(Scope& scope, Address address)
    : state_(std::make_shared<State>(scope, std::move(address))) {}

LineChannel::~LineChannel() {
  close();
}

void LineChannel::close() {
  state_->closed = true;
  if (state_->stream) state_->stream->close();
  state_->outgoing.set();
  state_->fail_all(Error{ErrorKind::temporary, "closed"});
}

Task<Message> LineChannel::ask(Message request, std::chrono::milliseconds within) {
  return ask(std::move(request), state_->scope.after(within));
}

Task<Message> LineChannel::ask(Message request, SteadyTime deadline) {
  const std::shared_ptr<State> state = state_;
  if (state->closed) co_return fail(ErrorKind::temporary, "closed");
  if (state->waiting.size() >= kWaitingMax)
    co_return fail(ErrorKind::temporary, "too many questions wait");
  const std::string tag = fmt::format("{}", state->next_tag++);
  const std::string line = format_message(tag, request);
  if (line.size() > kLineMax) co_return fail(ErrorKind::permanent, "a question over 64 KiB");
  State::Waiter waiter(state->scope.executor());
  state->waiting.emplace(tag, &waiter);
  state->lines += line;
  state->outgoing.set();
  if (!state->running) {
    state->running = true;
    state->scope.spawn(State::run(state));
  }
  while (!waiter.answer) {
    if (!co_await waiter.ready.wait(deadline) && !waiter.answer) {
      state->waiting.erase(tag);
      co_return fail(ErrorKind::temporary,
                     fmt::format("no answer from {} in time", to_string(state->address)));
    }
  }
  co_return *std::move(waiter.answer);
}

namespace {

struct Served {
  Scope& scope;
  StreamPtr stream;
  LineHandler handler;
  LineGate gate;
  std::size_t working = 0;
  std::string lines;
  bool writing = false;
  std::unique_ptr<Event> idle;
};

Awaitable<void> answer_one(std::shared_ptr<Served> served, TaggedMessage request) {
  std::optional<Message> refusal;
  if (served->gate) refusal = served->gate(request.message);
  const Message answer =
      refusal ? *std::move(refusal) : co_await served->handler(std::move(request.message));
  std::string line = format_message(request.tag, answer);
  if (line.size() > kLineMax) line = format_message(request.tag, Message("temporary"));
  served->lines += line;
  // Whoever comes first writes for all that come while it does.
  if (!served->writing) {
    served->writing = true;
    while (!served->lines.empty()) {
      const std::string lines = std::exchange(served->lines, {});
      if (!co_await served->stream->write(lines, served->scope.after(kWriteTimeout))) {
        served->stream->close();
        served->lines.clear();
      }
    }
    served->writing = false;
  }
  --served->working;
  served->idle->set();
}

}  // namespace

Awaitable<void> serve_lines(Scope& scope, StreamPtr stream, LineHandler handler, LineGate gate) {
  constexpr std::size_t kWorkingMax = 1000;
  auto served =
      std::make_shared<Served>(scope, std::move(stream), std::move(handler), std::move(gate));
  served->idle = std::make_unique<Event>(scope.executor());
  const Scope::Registration registration(scope, *served->stream,
                                         [raw = served->stream.get()] { raw->close(); });
  InBuffer buffer;
  bool answers_due = false;
  while (true) {
    const auto line = co_await read_line(*served->stream, buffer, SteadyTime::max());
    answers_due = !line && line.error().kind == ErrorKind::closed;  // the end of the questions
    if (!line) break;
    auto request = parse_message(*line);
    if (!request) break;
    while (served->working >= kWorkingMax) co_await served->idle->wait(SteadyTime::max());
    ++served->working;
    scope.spawn(answer_one(served, *std::move(request)));
  }
  if (!answers_due) served->stream->close();
  while (served->working > 0) co_await served->idle->wait(SteadyTime::max());
  served->stream->close();
}

}  // namespace posthorn::net
