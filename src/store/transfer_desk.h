// TransferDesk: what `posthorn import` and `posthorn export` ask an account for, over the store's
// control socket or, when no server runs, in the command's own process. One desk a connection: what
// it holds ends with it, so a command that dies leaves nothing behind. Messages come in piece by
// piece, each is staged on disk, and only `commit` puts them all into their folders.
//
//   room account= rules=                what an account holds, see store/room.h
//   open user=                          the account; to be asked before what follows
//   look user=                          the same, but makes nothing: "none" where there is no mail
//   folders after=                      name=…, up to 500, in order
//   create name=   subscribe name=
//   piece bytes=                        wire bytes (CRLF) of the next message
//   keywords keyword=…                  some of the next message's, as many as fit a line
//   stage mailbox= date= flags= uid=    that message is whole
//   origin mailbox= uidvalidity= uidnext=           where the staged ones come from
//   commit                              messages=; none is in a folder before, all are behind it
//   settle                              all UIDs are given and written down
//   list mailbox= after=                up to 200 messages: "uid flags date size" in message=
//   words mailbox= uid= from=           keyword=…, from that one on as many as fit a line
//   read mailbox= uid= offset=          bytes= (LF lines); empty at the end, "gone" when expunged
//   where mailbox= uid= …               store/find_desk.h
//   scripts, script-…                   store/script_desk.h
//   away, away-…                        store/away_desk.h
#pragma once

#include "net/line_channel.h"
#include "store/account.h"
#include "store/script_desk.h"

namespace posthorn::store {

inline constexpr std::size_t kDeskPieceMax = 24'000;  // escaped it still fits a line
inline constexpr std::size_t kDeskKeywordsMax = 150;  // and so many keywords do

class TransferDesk {
 public:
  explicit TransferDesk(Accounts& accounts) : accounts_(accounts) {}
  // One question at a time. An answer that is not "ok" tells why in error=.
  net::Awaitable<net::Message> answer(net::Message request);
  // What was staged and not committed goes.
  net::Awaitable<void> clear();

 private:
  struct Staged {
    DeliveryPtr delivery;
    Target target;
  };
  net::Task<net::Message> work(const net::Message& request);
  net::Task<net::Message> open(std::string user);
  net::Task<net::Message> look(std::string user);
  net::Task<net::Message> room(const net::Message& request);
  net::Task<net::Message> folders(std::string after);
  net::Task<net::Message> piece(std::string bytes);
  net::Task<net::Message> stage(const net::Message& request);
  net::Task<net::Message> commit();
  net::Task<> settle();
  net::Task<> look_at(std::string mailbox);
  net::Task<net::Message> list(std::string mailbox, Uid after);
  net::Task<net::Message> words(std::string mailbox, Uid uid, std::size_t from);
  net::Task<net::Message> read(std::string mailbox, Uid uid, std::uint64_t offset);

  Accounts& accounts_;
  AccountPtr account_;
  DeliveryPtr incoming_;
  std::vector<std::string> incoming_keywords_;
  std::vector<Staged> staged_;
  ScriptDesk scripts_;
  std::vector<Account::Origin> origins_;
  ViewPtr view_;
  std::optional<OpenMessage> reading_;
  bool is_busy_ = false;
};

net::Awaitable<void> serve_desk(Accounts& accounts, net::Scope& scope, net::StreamPtr stream,
                                net::LineGate gate = {});

}  // namespace posthorn::store
