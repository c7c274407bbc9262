// The parts of a session that its commands (cmd_*.cc) share. Private to this folder.
// Handlers give a tagged answer (Outcome); untagged responses go into the writer, which passes them
// on when they grow.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"
#include "imap/proto/parser.h"
#include "imap/proto/response.h"
#include "imap/server/session.h"
#include "net/buffer.h"
#include "store/line_ends.h"

namespace posthorn::imap {

// "OK [CODE] text": code without brackets.
struct Outcome {
  std::string_view status = "OK";
  std::string code;
  std::string text;
};
inline Outcome ok(std::string text, std::string code = {}) {
  return {"OK", std::move(code), std::move(text)};
}
inline Outcome no(std::string text, std::string code = {}) {
  return {"NO", std::move(code), std::move(text)};
}
inline Outcome bad(std::string text) {
  return {"BAD", {}, std::move(text)};
}

using Range = std::pair<std::uint32_t, std::uint32_t>;
enum class Numbers { sequence, uid };  // how a command names messages, and how its answer does

class Session {
 public:
  Session(net::StreamPtr stream, const ServerServices& services);
  net::Awaitable<void> run();
  static std::vector<std::string_view> command_names();

 private:
  struct Command;
  static const std::vector<Command>& commands();

  // session.cc
  net::Task<> begin();
  net::Task<> talk();
  net::Task<std::string> read_line(SteadyTime deadline);
  net::Task<std::string> read_command();
  net::Task<> answer(std::string text);
  net::Task<> finish(const std::string& tag, const Outcome& outcome);
  net::Awaitable<void> tell_changes(store::ExpungeMode mode);
  std::string format_flags(store::Uid uid, store::Flags flags,
                           const store::Keywords& keywords) const;
  // RFC 3501 section 7.2.6: FLAGS and PERMANENTFLAGS before a keyword that they lack is told.
  void tell_new_keywords();
  void tell_keywords();
  void tell_flags(store::Uid uid, Numbers numbers);
  net::Task<> flush();
  net::Task<> flush_if_large();
  std::string capabilities() const;
  SteadyTime write_deadline() const { return Clock::system().steady_now() + 10min; }
  Outcome failed(const Error& error);
  static Outcome name_outcome(store::NameResult result, bool try_create);
  // Between a client's name of a mailbox and the store's, both ways: levels are separated by a dot
  // there, and by imap.separator here. The other of the two characters is part of no name.
  std::string other_separator(std::string name) const;
  std::optional<std::string> mailbox_name(Parser& parser);
  std::vector<store::Uid> uids_of(const SequenceSet& set, Numbers numbers, bool& valid) const;

  // cmd_session.cc
  net::Awaitable<Outcome> capability(Parser& parser);
  net::Awaitable<Outcome> noop(Parser& parser);
  net::Awaitable<Outcome> logout(Parser& parser);
  net::Awaitable<Outcome> id(Parser& parser);
  net::Awaitable<Outcome> enable(Parser& parser);
  net::Awaitable<Outcome> idle(Parser& parser);
  net::Awaitable<Outcome> name_space(Parser& parser);
  // cmd_mailbox.cc
  net::Awaitable<Outcome> select(Parser& parser);
  net::Awaitable<Outcome> examine(Parser& parser);
  net::Awaitable<Outcome> open_mailbox(Parser& parser, store::Access access);
  net::Awaitable<Outcome> create(Parser& parser);
  net::Awaitable<Outcome> remove(Parser& parser);
  net::Awaitable<Outcome> rename(Parser& parser);
  net::Awaitable<Outcome> subscribe(Parser& parser);
  net::Awaitable<Outcome> unsubscribe(Parser& parser);
  net::Awaitable<Outcome> list(Parser& parser);
  net::Awaitable<Outcome> lsub(Parser& parser);
  net::Awaitable<Outcome> status(Parser& parser);
  net::Awaitable<Outcome> tell_status(std::string mailbox, std::vector<std::string> items);
  // cmd_quota.cc
  net::Awaitable<Outcome> get_quota(Parser& parser);
  net::Awaitable<Outcome> get_quota_root(Parser& parser);
  net::Awaitable<Outcome> set_quota(Parser& parser);
  net::Awaitable<Outcome> tell_quota(store::Account::QuotaState state);
  net::Awaitable<Outcome> close(Parser& parser);
  net::Awaitable<Outcome> unselect(Parser& parser);
  // cmd_append.cc: reads its literals itself
  net::Task<> append(const std::string& tag, std::string text);
  net::Task<> skip_literal(std::uint64_t size);
  net::Task<> skip_rest(std::string line);
  // What is read away of a refused command; who announces more is cut off.
  std::uint64_t skipped_max() const { return 2 * services_.config.smtp.message_max; }
  // cmd_store.cc
  net::Awaitable<Outcome> expunge(Parser& parser);
  net::Awaitable<Outcome> uid_expunge(Parser& parser);
  net::Awaitable<Outcome> store_sequence(Parser& parser);
  net::Awaitable<Outcome> store_uid(Parser& parser);
  net::Awaitable<Outcome> store_flags(Parser& parser, Numbers numbers);
  net::Awaitable<Outcome> copy_sequence(Parser& parser);
  net::Awaitable<Outcome> copy_uid(Parser& parser);
  net::Awaitable<Outcome> move_sequence(Parser& parser);
  net::Awaitable<Outcome> move_uid(Parser& parser);
  enum class Transfer { copy, move };
  net::Awaitable<Outcome> transfer(Parser& parser, Numbers numbers, Transfer kind);
  // cmd_fetch.cc
  net::Awaitable<Outcome> fetch_sequence(Parser& parser);
  net::Awaitable<Outcome> fetch_uid(Parser& parser);
  net::Awaitable<Outcome> fetch(Parser& parser, Numbers numbers);
  // cmd_search.cc
  net::Awaitable<Outcome> search_sequence(Parser& parser);
  net::Awaitable<Outcome> search_uid(Parser& parser);
  net::Awaitable<Outcome> search(Parser& parser, Numbers numbers);

  friend struct FetchRun;
  friend struct SearchRun;

  // Where the last FETCH of a range ended; any other command forgets it.
  struct Resume {
    store::Uid uid = 0;
    store::OpenMessage opened;
    store::CrlfReader reader;
    std::uint64_t at = 0;  // wire bytes read so far
  };

  net::StreamPtr stream_;
  const ServerServices& services_;
  std::unique_ptr<Resume> resume_;
  log::Logger log_;
  net::Scope::Registration registration_;
  net::InBuffer in_;
  std::string out_;
  std::string tag_;  // of the login command
  std::optional<auth::UserConnections::Slot> slot_;
  store::AccountPtr account_;
  store::ViewPtr view_;
  // The first reason counts; what logs out has none.
  void end(std::string_view why) {
    if (!over_) ended_by_ = why;
    over_ = true;
  }
  static constexpr std::string_view kLost = "the connection was lost";

  bool stopping_ = false, over_ = false;
  std::string ended_by_ = "logout";  // for the log
  int bad_ = 0;
};

}  // namespace posthorn::imap
