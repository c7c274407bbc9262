#include "net/splice.h"

#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr std::size_t kPiece = 32 * 1024;
constexpr auto kWriteTimeout = 10min;
constexpr auto kSilenceMax = 30s;  // of one direction when the other has ended

struct Pair {
  Stream& a;
  Stream& b;
  Event changed;
  int running = 2;  // directions that carry
  int open = 2;     // … that have not come to their end yet
  std::uint64_t pieces = 0;
};

// The one direction has said all it had to say. The other may still have its last word on the way,
// and much of it: it ends when its source does, or when nothing comes any more.
Awaitable<void> wait_for_the_other(Pair* pair) {
  while (pair->running == 1) {
    const std::uint64_t seen = pair->pieces;
    const SteadyTime limit = Clock::system().steady_now() + kSilenceMax;
    if (co_await pair->changed.wait(limit) || pair->pieces != seen) continue;
    pair->a.close();
    pair->b.close();
    co_return;
  }
}

Awaitable<void> copy(Pair* pair, Stream* from, Stream* to) {
  while (true) {
    const auto ready = co_await from->wait_readable(SteadyTime::max());
    // Who read from it before is told of a stop so; carrying goes on.
    if (!ready && ready.error().kind == ErrorKind::temporary) continue;
    if (!ready) break;
    std::string buffer(kPiece, '\0');  // only while there is something to carry
    const auto n = co_await from->read_some(buffer, Clock::system().steady_now() + kWriteTimeout);
    if (!n && n.error().kind == ErrorKind::timeout) continue;  // a TLS record without data
    if (!n) break;
    if (!co_await to->write(std::string_view(buffer).substr(0, *n),
                            Clock::system().steady_now() + kWriteTimeout))
      break;
    ++pair->pieces;
  }
  (void)co_await to->shut_down(Clock::system().steady_now() + 1s);
  --pair->running;
  pair->changed.set();
  if (pair->running == 1) co_await wait_for_the_other(pair);
  --pair->open;
  pair->changed.set();
}

}  // namespace

Awaitable<void> splice(Scope& scope, Stream& a, Stream& b) {
  Pair pair{a, b, Event(scope.executor())};
  scope.spawn(copy(&pair, &b, &a));
  co_await copy(&pair, &a, &b);
  while (pair.open > 0) co_await pair.changed.wait(SteadyTime::max());
}

}  // namespace posthorn::net
