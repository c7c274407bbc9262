#include "net/splice.h"

#include <optional>

#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kPiece = 32 * 1024;
constexpr auto kWriteTimeout = 10min;
constexpr auto kSilenceMax = 30s;  // of the server when the client has ended
constexpr auto kLinger = 1s;       // for the client when the server has

struct Pair {
  Scope& scope;
  Stream& client;
  Stream& server;
  Event changed;
  std::optional<Side> ended;  // which was the first
  int running = 2;            // directions that carry
  int open = 2;               // … that have not come to their end yet
  std::uint64_t pieces = 0;
};

// The one side has said all it had to say. A server may still have its last word on the way, and
// much of it: it ends when its source does, or when nothing comes any more. A client need not hang
// up when it has heard the last word: mail programs look at an idle connection when they need it
// next.
Awaitable<void> wait_for_the_other(Pair* pair) {
  while (pair->running == 1) {
    const std::uint64_t seen = pair->pieces;
    const std::chrono::milliseconds limit = pair->ended == Side::server ? kLinger : kSilenceMax;
    if (co_await pair->changed.wait_for(limit) || pair->pieces != seen) continue;
    pair->client.close();
    pair->server.close();
    co_return;
  }
}

Awaitable<void> copy(Pair* pair, Side side) {
  Stream* from = side == Side::client ? &pair->client : &pair->server;
  Stream* to = side == Side::client ? &pair->server : &pair->client;
  while (true) {
    const auto ready = co_await from->wait_readable(SteadyTime::max());
    // Who read from it before is told of a stop so; carrying goes on.
    if (!ready && ready.error().kind == ErrorKind::temporary) continue;
    if (!ready) break;
    std::string buffer(kPiece, '\0');  // only while there is something to carry
    const auto n = co_await from->read_some(buffer, pair->scope.after(kWriteTimeout));
    if (!n && n.error().kind == ErrorKind::timeout) continue;  // a TLS record without data
    if (!n) break;
    if (pair->ended == Side::server) break;  // nobody is there to take it
    if (!co_await to->write(std::string_view(buffer).substr(0, *n),
                            pair->scope.after(kWriteTimeout)))
      break;
    ++pair->pieces;
  }
  if (!pair->ended) pair->ended = side;
  (void)co_await to->shut_down(pair->scope.after(1s));
  --pair->running;
  pair->changed.set();
  if (pair->running == 1) co_await wait_for_the_other(pair);
  --pair->open;
  pair->changed.set();
}

}  // namespace

Awaitable<Side> splice(Scope& scope, Stream& client, Stream& server) {
  Pair pair{scope, client, server, Event(scope.executor()), {}};
  scope.spawn(copy(&pair, Side::server));
  co_await copy(&pair, Side::client);
  while (pair.open > 0) co_await pair.changed.wait(SteadyTime::max());
  co_return pair.ended.value_or(Side::client);
}

}  // namespace posthorn::net
