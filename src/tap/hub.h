// Hub: who watches the connections of a role, and what passes over them. wrap() puts a Stream
// around a connection that tells the hub what is read and written; while nobody watches that is one
// branch. A watcher (`posthorn tap`, over a control socket) gets lines of text; it may be slow:
// what does not fit its buffer is dropped and counted, and no connection ever waits for it.
//
//   watcher: 1 <tab> watch [<tab> user=alice@example.org] [<tab> session=7K2QD4MX] [<tab> bodies=1]
//   hub:     -- watching
//   hub:     -- no such session        (nothing of that session= is connected now)
//   hub:     12:34:56.789 7K2QD4MX smtp alice@example.org C: MAIL FROM:<alice@example.org>
#pragma once

#include <list>
#include <string>

#include "net/scope.h"
#include "net/stream.h"
#include "tap/dialog.h"

namespace posthorn::tap {

class TapStream;

// Which side of the dialog the role is.
enum class Side { server, client };

class Hub {
 public:
  explicit Hub(net::Scope& scope) : scope_(scope) {}
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // service: as the listener is named, "imaps". The hub outlives the stream.
  net::StreamPtr wrap(net::StreamPtr stream, Protocol protocol, std::string service);
  // A connection that the role makes: whose it is, is known from the start.
  net::StreamPtr wrap_client(net::StreamPtr stream, std::string service, std::string_view session,
                             std::string_view account);
  // One watcher, to its end.
  net::Awaitable<void> serve(net::StreamPtr stream);
  bool is_watched() const { return !watchers_.empty(); }

 private:
  friend class TapStream;
  struct Watcher;

  bool has_user_watcher() const;
  void deliver(const TapStream& source, const Line& line);
  bool has_session(std::string_view session) const;
  void offer(Watcher& watcher, const TapStream& source, const Line& line) const;

  net::Scope& scope_;
  std::list<Watcher*> watchers_;
  std::list<const TapStream*> streams_;  // all that are connected
  std::uint64_t epoch_ = 0;              // grows when the first watcher comes
};

Protocol protocol_of(std::string_view service);

}  // namespace posthorn::tap
