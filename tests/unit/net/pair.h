// Two streams that are each other's peer, and what the tests of net do with them.
#pragma once

#include <array>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "net/buffer.h"
#include "net/socket.h"
#include "net/stream.h"
#include "net/timer.h"
#include "net/tls.h"
#include "tests/support/test_loop.h"

namespace posthorn::net {

using test::soon;

struct StreamPair {
  StreamPtr a, b;
};

inline StreamPair make_pair(test::TestLoop& loop, int buffer = 0) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  for (const int fd : ends) {
    if (buffer == 0) break;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  }
  return {*adopt_socket(loop.executor(), File(ends[0])),
          *adopt_socket(loop.executor(), File(ends[1]))};
}

// At most size bytes in one read.
inline Task<std::string> read_once(Stream& stream, std::size_t size, SteadyTime deadline) {
  std::string bytes(size, '\0');
  CO_TRY(const auto n, co_await stream.read_some(bytes, deadline));
  bytes.resize(n);
  co_return bytes;
}

inline Task<std::string> read_exactly(Stream& stream, std::size_t size, SteadyTime deadline) {
  std::string bytes;
  while (bytes.size() < size) {
    CO_TRY(const auto some, co_await read_once(stream, size - bytes.size(), deadline));
    bytes += some;
  }
  co_return bytes;
}

inline Task<std::string> read_to_end(Stream& stream, SteadyTime deadline) {
  std::string bytes;
  while (true) {
    const auto some = co_await read_once(stream, 65'536, deadline);
    if (!some && some.error().kind == ErrorKind::closed) co_return bytes;
    if (!some) co_return std::unexpected(some.error());
    bytes += *some;
  }
}

template <class T>
Awaitable<void> keep(Task<T> work, std::optional<Result<T>>& result) {
  result.emplace(co_await std::move(work));
}

// Starts it; the test turns the loop until the result is there.
template <class T>
void start(test::TestLoop& loop, Task<T> work, std::optional<Result<T>>& result) {
  loop.scope().spawn(keep(std::move(work), result));
}

struct Joined {
  StreamPair pair;
  Result<> server, client;
};
inline Joined handshake(test::TestLoop& loop, const TlsServer& server, const TlsClient& client,
                        const std::string& name) {
  Joined joined{make_pair(loop), {}, {}};
  std::optional<Result<>> at_server, at_client;
  start(loop, joined.pair.a->start_tls(server, soon(5s)), at_server);
  start(loop, joined.pair.b->start_tls(client, name, soon(5s)), at_client);
  loop.until([&] { return at_client.has_value(); });
  if (!*at_client) joined.pair.b->close();
  loop.until([&] { return at_server.has_value(); });
  joined.server = *at_server;
  joined.client = *at_client;
  return joined;
}

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 31 + i / 251) & 0xFFU);
  return text;
}

}  // namespace posthorn::net
