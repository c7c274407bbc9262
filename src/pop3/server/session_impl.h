// A session's parts: its loop (session.cc) and its commands (commands.cc). Private to this folder.
// Handlers put their answer into out_, which is passed on when it grows and when the client waits.
// An Error of a handler ends the session without UPDATE.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/events.h"
#include "net/buffer.h"
#include "pop3/proto/command.h"
#include "pop3/server/session.h"

namespace posthorn::pop3 {

// A message as this session sees it. Its number is its place, from 1, and never changes.
struct Item {
  store::Uid uid = 0;
  std::uint64_t size = 0;  // in wire form
  bool is_deleted = false;
  bool is_retrieved = false;
};

class Session {
 public:
  Session(net::StreamPtr stream, const ServerServices& services);
  net::Awaitable<void> run();

 private:
  // session.cc
  net::Task<> begin();
  net::Task<> open_inbox(const std::string& account);
  net::Task<> talk();
  net::Task<std::string> read_line();
  net::Task<> refuse(std::string text);
  net::Task<> flush();
  net::Task<> flush_if_large();
  SteadyTime write_deadline() const { return Clock::system().steady_now() + 10min; }

  // commands.cc
  net::Task<> answer(const Command& command);
  void capa();
  void stat();
  net::Task<> list(std::optional<std::uint64_t> number);
  net::Task<> uidl(std::optional<std::uint64_t> number);
  void dele(std::uint64_t number);
  void rset();
  net::Task<> quit();
  net::Task<> send(Item& item, std::optional<std::uint64_t> body_lines);
  net::Task<> send_pieces(const store::OpenMessage& message,
                          std::optional<std::uint64_t> body_lines);
  net::Task<> update();
  net::Task<bool> remove(std::vector<store::Uid> uids);
  Item* find(std::uint64_t number);  // nullptr: there is none, and the client was told
  void failed(const Error& error);
  struct Total {
    std::size_t messages = 0;
    std::uint64_t octets = 0;
  };
  Total total() const;

  net::StreamPtr stream_;
  const ServerServices& services_;
  log::Logger log_;
  net::Scope::Registration registration_;
  net::InBuffer in_;
  std::string out_;
  std::optional<auth::UserConnections::Slot> slot_;
  store::AccountPtr account_;
  store::ViewPtr view_;
  std::vector<Item> items_;
  std::size_t retrieved_ = 0, removed_ = 0;  // for the log
  bool stopping_ = false, over_ = false;
  int bad_ = 0;
};

}  // namespace posthorn::pop3
