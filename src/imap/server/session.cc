#include "imap/server/session.h"

#include <fmt/format.h>

#include "base/ascii.h"
#include "base/metrics.h"
#include "imap/server/session_impl.h"
#include "message/mutf7.h"
#include "net/timer.h"

namespace posthorn::imap {
namespace {

constexpr std::size_t kOutMax = 64 * 1024;
constexpr int kBadMax = 50;

}  // namespace

// Where a command is legal and who carries it out. One table, one place that decides.
struct Session::Command {
  std::string_view name;
  net::Awaitable<Outcome> (Session::*handler)(Parser&);
  bool needs_mailbox = false;
  bool holds_expunge = false;  // RFC 3501 section 7.4.1: no EXPUNGE during these
};

const std::vector<Session::Command>& Session::commands() {
  static const std::vector<Command> table = {
      {"CAPABILITY", &Session::capability},
      {"NOOP", &Session::noop},
      {"LOGOUT", &Session::logout},
      {"ID", &Session::id},
      {"ENABLE", &Session::enable},
      {"IDLE", &Session::idle},
      {"NAMESPACE", &Session::name_space},
      {"SELECT", &Session::select},
      {"EXAMINE", &Session::examine},
      {"CREATE", &Session::create},
      {"DELETE", &Session::remove},
      {"RENAME", &Session::rename},
      {"SUBSCRIBE", &Session::subscribe},
      {"UNSUBSCRIBE", &Session::unsubscribe},
      {"LIST", &Session::list},
      {"LSUB", &Session::lsub},
      {"STATUS", &Session::status},
      {"GETQUOTA", &Session::get_quota},
      {"GETQUOTAROOT", &Session::get_quota_root},
      {"SETQUOTA", &Session::set_quota},
      {"CHECK", &Session::noop, true},
      {"CLOSE", &Session::close, true},
      {"UNSELECT", &Session::unselect, true},
      {"EXPUNGE", &Session::expunge, true},
      {"SEARCH", &Session::search_sequence, true, true},
      {"FETCH", &Session::fetch_sequence, true, true},
      {"STORE", &Session::store_sequence, true, true},
      {"COPY", &Session::copy_sequence, true},
      {"MOVE", &Session::move_sequence, true},
      {"UID EXPUNGE", &Session::uid_expunge, true},
      {"UID SEARCH", &Session::search_uid, true},
      {"UID FETCH", &Session::fetch_uid, true},
      {"UID STORE", &Session::store_uid, true},
      {"UID COPY", &Session::copy_uid, true},
      {"UID MOVE", &Session::move_uid, true},
  };
  return table;
}

std::vector<std::string_view> Session::command_names() {
  std::vector<std::string_view> names{"APPEND"};  // which reads its literals itself
  for (const Command& command : commands()) names.push_back(command.name);
  return names;
}

Session::Session(net::StreamPtr stream, const ServerServices& services)
    : stream_(std::move(stream)),
      services_(services),
      registration_(services.scope, *stream_, [this] {
        stopping_ = true;
        stream_->interrupt();
      }) {}

std::string Session::capabilities() const {
  return "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN SPECIAL-USE UIDPLUS MOVE "
         "UNSELECT STATUS=SIZE QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE";
}

net::Awaitable<void> Session::run() {
  const metrics::Open open(metric::store_sessions);
  Result<> ended = co_await begin();
  if (ended) ended = co_await talk();
  if (!ended && ended.error().kind == ErrorKind::timeout) {
    out_ += "* BYE Autologout; idle for too long\r\n";
    (void)co_await flush();
  }
  view_.reset();
  (void)co_await stream_->shut_down(Clock::system().steady_now() + 1s);
  if (account_)
    log_.info(event::imap_ended,
              {{"account", account_->name()}, {"reason", ended ? ended_by_ : ended.error().what}});
}

// The hand-over: edge's line with the token; who it stands for only lookup knows.
net::Task<> Session::begin() {
  CO_TRY(const std::string line, co_await read_line(Clock::system().steady_now() + 30s));
  CO_TRY(const auth::HandOver what, auth::parse_hand_over(line));
  tag_ = what.tag;
  log_ = log_.with_session(what.session);
  CO_TRY(auto admitted,
         co_await services_.admission.admit(what, log_, {event::imap_failed, event::imap_limited}));
  if (!admitted) {
    const bool is_known = admitted.error() == auth::Admission::Refused::too_many;
    CO_TRY_OK(co_await answer(
        tag_ + (is_known ? " NO [LIMIT] Too many connections of this user\r\n"
                         : " NO [UNAVAILABLE] The login could not be handed over.\r\n")));
    co_return fail(ErrorKind::closed, "not admitted");
  }
  slot_ = std::move(admitted->slot);
  const std::string& account = admitted->account;
  auto opened = co_await services_.accounts.open(account);
  if (!opened) {
    log_.error(event::imap_failed, {{"account", account}, {"error", opened.error().what}});
    CO_TRY_OK(co_await answer(tag_ + " NO [UNAVAILABLE] The mailboxes cannot be opened now.\r\n"));
    co_return std::unexpected(opened.error());
  }
  // On a full disk they are put off to a later login: what is there can be read and removed.
  if (const auto made = co_await (*opened)->ensure_defaults(); !made)
    log_.warn(event::store_failed, {{"account", account}, {"error", made.error().what}});
  account_ = *std::move(opened);
  log_.info(event::imap_opened, {{"account", account_->name()}, {"address", what.address}});
  co_return co_await answer(
      fmt::format("{} OK [CAPABILITY {}] Logged in\r\n", tag_, capabilities()));
}

net::Task<> Session::answer(std::string text) {
  out_ += text;
  co_return co_await flush();
}

net::Task<> Session::flush() {
  if (out_.empty()) co_return Result<>{};
  const std::string bytes = std::exchange(out_, {});
  co_return co_await stream_->write(bytes, write_deadline());
}

net::Task<> Session::flush_if_large() {
  if (out_.size() < kOutMax) co_return Result<>{};
  co_return co_await flush();
}

net::Task<std::string> Session::read_line(SteadyTime deadline) {
  while (true) {
    if (const auto line = in_.take_line()) co_return std::string(*line);
    if (in_.data().size() > services_.config.imap.line_max) {
      out_ += "* BYE Line too long\r\n";
      (void)co_await flush();
      co_return fail(ErrorKind::protocol, "a line too long");
    }
    in_.release();
    if (in_.empty()) {
      const auto ready = co_await stream_->wait_readable(deadline);
      if (stopping_) {
        out_ += "* BYE The server is stopping\r\n";
        (void)co_await flush();
        co_return fail(ErrorKind::closed, "the server is stopping");
      }
      if (!ready && ready.error().kind == ErrorKind::temporary) continue;  // interrupted
      if (!ready) co_return std::unexpected(ready.error());
    }
    CO_TRY_OK(co_await in_.fill(*stream_, deadline));
  }
}

// A whole command, its literals in it. APPEND's message is not gathered: the text ends with its
// mark then.
net::Task<std::string> Session::read_command() {
  std::string command;
  while (true) {
    const auto timeout = command.empty() ? services_.config.imap.idle_timeout
                                         : services_.config.imap.literal_timeout;
    CO_TRY(const std::string line, co_await read_line(Clock::system().steady_now() + timeout));
    command += line;
    const auto mark = find_literal_mark(line);
    if (!mark) co_return command;
    Parser parser(command);
    const auto tag = parser.tag();
    const bool is_append =
        tag && parser.take_space() && parser.take_word("APPEND") && parser.take_space();
    // The mailbox's name may be a literal; the one after it is the message.
    if (is_append && parser.astring() && parser.take_space()) co_return command;
    // Literals other than APPEND's are names and search texts.
    if (mark->size > services_.config.imap.line_max ||
        command.size() > services_.config.imap.line_max) {
      command.clear();
      CO_TRY_OK(co_await skip_rest(line));
      CO_TRY_OK(co_await finish(tag.value_or("*"), {"BAD", "TOOBIG", "The literal is too long"}));
      if (over_) co_return fail(ErrorKind::protocol, "too many errors");
      continue;
    }
    command += "\r\n";
    if (mark->synchronizing) CO_TRY_OK(co_await answer("+ OK\r\n"));
    while (in_.data().size() < mark->size)
      CO_TRY_OK(co_await in_.fill(
          *stream_, Clock::system().steady_now() + services_.config.imap.literal_timeout));
    command += in_.data().substr(0, static_cast<std::size_t>(mark->size));
    in_.consume(static_cast<std::size_t>(mark->size));
  }
}

net::Task<> Session::talk() {
  while (!over_) {
    CO_TRY(const std::string text, co_await read_command());
    Parser parser(text);
    const auto tag = parser.tag();
    if (!tag || !parser.take_space()) {
      CO_TRY_OK(co_await finish("*", bad("A tag and a command are needed")));
      continue;
    }
    std::string verb = to_upper(parser.atom().value_or(""));
    if (verb == "APPEND") {
      resume_.reset();
      CO_TRY_OK(co_await append(*tag, text));
      continue;
    }
    if (verb == "UID" && parser.take_space()) verb += " " + to_upper(parser.atom().value_or(""));
    const Command* found = nullptr;
    for (const Command& command : commands())
      if (command.name == verb) found = &command;
    Outcome outcome;
    if (found == nullptr) {
      outcome = bad("Unknown command");
    } else if (found->needs_mailbox && !view_) {
      outcome = bad("Select a mailbox first");
    } else {
      if (!verb.ends_with("FETCH")) resume_.reset();
      outcome = co_await (this->*found->handler)(parser);
      if (view_ && outcome.status != "BAD")
        co_await tell_changes(found->holds_expunge ? store::ExpungeMode::held_back
                                                   : store::ExpungeMode::allowed);
    }
    CO_TRY_OK(co_await finish(*tag, outcome));
  }
  co_return Result<>{};
}

net::Task<> Session::finish(const std::string& tag, const Outcome& outcome) {
  if (outcome.status == "BAD" && ++bad_ > kBadMax) {
    out_ += "* BYE Too many errors\r\n";
    end("too many errors");
  }
  out_ += fmt::format("{} {} {}{}{}{}\r\n", tag, outcome.status, outcome.code.empty() ? "" : "[",
                      outcome.code, outcome.code.empty() ? "" : "] ", outcome.text);
  // Replies to pipelined commands go out together.
  if (in_.data().find('\n') != std::string_view::npos) co_return co_await flush_if_large();
  co_return co_await flush();
}

Outcome Session::failed(const Error& error) {
  log_.error(event::imap_failed, {{"account", account_->name()}, {"error", error.what}});
  return no("It could not be done now; try again later", "UNAVAILABLE");
}

Outcome Session::name_outcome(store::NameResult result, bool try_create) {
  switch (result) {
    case store::NameResult::done:
      return ok("Completed");
    case store::NameResult::not_found:
      return no("There is no such mailbox", try_create ? "TRYCREATE" : "NONEXISTENT");
    case store::NameResult::exists:
      return no("The mailbox is there already", "ALREADYEXISTS");
    case store::NameResult::bad_name:
      return no("No mailbox can have this name", "CANNOT");
    case store::NameResult::cannot:
      return no("This cannot be done with this mailbox", "CANNOT");
    case store::NameResult::keyword_limit:
      return no("Too many keywords", "LIMIT");
    case store::NameResult::over_quota:
      // RFC 9208 section 4.3.
      return no("The account's limit is reached", "OVERQUOTA");
  }
  return bad("?");
}

std::string Session::other_separator(std::string name) const {
  if (services_.config.imap.separator != "/") return name;
  for (char& c : name)
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  return name;
}

std::optional<std::string> Session::mailbox_name(Parser& parser) {
  const auto raw = parser.astring();
  if (!raw) return std::nullopt;
  auto name = message::decode_mutf7(*raw);
  if (!name) return std::string("\x01");  // a name that cannot be: the store says CANNOT
  name = other_separator(*std::move(name));
  if (name->size() > 1 && name->ends_with('.'))
    name->pop_back();  // RFC 3501 section 6.3.3: "the name may end with the separator"
  if (equals_ignoring_case(*name, "INBOX")) return "INBOX";
  return name;
}

std::vector<store::Uid> Session::uids_of(const SequenceSet& set, Numbers numbers,
                                         bool& valid) const {
  std::vector<store::Uid> uids;
  valid = true;
  const std::uint32_t count = view_->size();
  if (numbers == Numbers::uid) {
    const std::uint32_t last = count == 0 ? 0 : view_->uid_of(count);
    for (const auto& [first, end] : set.resolve(last))
      for (std::uint32_t i = view_->first_from(first); i <= count && view_->uid_of(i) <= end; ++i)
        uids.push_back(view_->uid_of(i));
    return uids;
  }
  for (const auto& [first, end] : set.resolve(count)) {
    if (end > count) {
      valid = false;
      return {};
    }
    for (std::uint32_t i = first; i <= end; ++i) uids.push_back(view_->uid_of(i));
  }
  valid = count > 0;
  return uids;
}

std::string Session::format_flags(store::Uid uid, store::Flags flags,
                                  const store::Keywords& keywords) const {
  std::string out = "(";
  const auto add = [&](std::string_view name) {
    if (out.size() > 1) out += ' ';
    out += name;
  };
  if ((flags & store::flag::answered) != 0) add("\\Answered");
  if ((flags & store::flag::flagged) != 0) add("\\Flagged");
  if ((flags & store::flag::deleted) != 0) add("\\Deleted");
  if ((flags & store::flag::seen) != 0) add("\\Seen");
  if ((flags & store::flag::draft) != 0) add("\\Draft");
  if (uid != 0 && view_->is_recent(uid)) add("\\Recent");
  for (const std::string_view name : view_->mailbox().keyword_names(keywords)) add(name);
  return out + ")";
}

void Session::tell_keywords() {
  std::string names;
  for (const std::string_view keyword : view_->mailbox().keywords()->all()) {
    names += ' ';
    names += keyword;
  }
  out_ += fmt::format("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft{})\r\n", names);
  if (view_->access() == store::Access::read_only) {
    out_ += "* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n";
    return;
  }
  out_ += fmt::format(
      "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft{}{})] "
      "Flags permitted.\r\n",
      names, view_->mailbox().has_room_for_keyword() ? " \\*" : "");
}

void Session::tell_new_keywords() {
  if (view_->take_keywords_grew()) tell_keywords();
}

void Session::tell_flags(store::Uid uid, Numbers numbers) {
  const auto sequence = view_->sequence_of(uid);
  const store::Entry* entry = view_->mailbox().find(uid);
  if (!sequence || entry == nullptr) return;
  tell_new_keywords();
  out_ += fmt::format("* {} FETCH (", *sequence);
  if (numbers == Numbers::uid) out_ += fmt::format("UID {} ", uid);
  out_ += fmt::format("FLAGS {})\r\n", format_flags(uid, entry->flags, entry->keywords));
}

net::Awaitable<void> Session::tell_changes(store::ExpungeMode mode) {
  if (!view_->has_changes()) co_return;
  const store::ViewChanges changes = view_->take_changes(mode);
  if (changes.is_gone) {
    out_ += "* BYE The mailbox was removed\r\n";
    end("the mailbox was removed");
    co_return;
  }
  if (changes.keywords_grew) tell_keywords();
  for (const std::uint32_t sequence : changes.expunged)
    out_ += fmt::format("* {} EXPUNGE\r\n", sequence);
  if (changes.exists) out_ += fmt::format("* {} EXISTS\r\n", *changes.exists);
  if (changes.recent) out_ += fmt::format("* {} RECENT\r\n", *changes.recent);
  for (const store::Uid uid : changes.flags) {
    tell_flags(uid, Numbers::uid);
    if (!co_await flush_if_large()) end(kLost);
    if (over_) co_return;
  }
}

std::vector<std::string_view> command_names() {
  return Session::command_names();
}

net::Awaitable<void> serve(net::StreamPtr stream, const ServerServices& services) {
  Session session(std::move(stream), services);
  co_await session.run();
}

}  // namespace posthorn::imap
