#include "net/socket.h"

#include <arpa/inet.h>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ascii.h"
#include "net/dialer.h"
#include "net/socket_stream.h"

namespace posthorn::net {
namespace {

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<RawAddress> raw_address(const Address& address) {
  RawAddress raw;
  if (const auto* unix_address = std::get_if<UnixAddress>(&address)) {
    auto* un = reinterpret_cast<sockaddr_un*>(&raw.storage);
    un->sun_family = AF_UNIX;
    const std::string& path = unix_address->path.native();
    if (path.empty() || path.size() >= sizeof un->sun_path)
      return fail(ErrorKind::config, fmt::format("{}: a socket's path has 1 to {} bytes", path,
                                                 sizeof un->sun_path - 1));
    std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
    raw.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return raw;
  }
  const auto& tcp = std::get<TcpAddress>(address);
  auto* in4 = reinterpret_cast<sockaddr_in*>(&raw.storage);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&raw.storage);
  if (inet_pton(AF_INET, tcp.host.c_str(), &in4->sin_addr) == 1) {
    in4->sin_family = AF_INET;
    in4->sin_port = htons(tcp.port);
    raw.length = sizeof(sockaddr_in);
    return raw;
  }
  if (inet_pton(AF_INET6, tcp.host.c_str(), &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(tcp.port);
    raw.length = sizeof(sockaddr_in6);
    return raw;
  }
  return fail(ErrorKind::config, fmt::format("{} is no IPv4 or IPv6 address", tcp.host));
}

// A socket file that nobody listens on any more is removed; one that answers is somebody's.
Result<> remove_stale(const Path& path, RawAddress& raw) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode))
    return fail(ErrorKind::config, fmt::format("{} is there and is no socket", path.native()));
  const File probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (probe.is_open() && ::connect(probe.fd(), raw.get(), raw.length) == 0)
    return fail(ErrorKind::config,
                fmt::format("{}: somebody listens there already", path.native()));
  ::unlink(path.c_str());
  return {};
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    const std::string_view path = text.substr(5);
    if (path.empty()) return fail(ErrorKind::config, "unix: needs a path");
    return UnixAddress{Path(path)};
  }
  const std::size_t colon = text.rfind(':');
  const auto wrong = [&] {
    return fail(
        ErrorKind::config,
        fmt::format("\"{}\" is no address; write 127.0.0.1:25, [::1]:25 or unix:/path", text));
  };
  if (colon == std::string_view::npos) return wrong();
  TcpAddress tcp;
  const std::string_view digits = text.substr(colon + 1);
  tcp.port = to_number<std::uint16_t>(digits).value_or(0);
  if (tcp.port == 0) return wrong();
  std::string_view host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return wrong();
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  tcp.host = host;
  if (!raw_address(tcp)) return wrong();
  return tcp;
}

std::string to_string(const Address& address) {
  if (const auto* unix_address = std::get_if<UnixAddress>(&address))
    return "unix:" + unix_address->path.native();
  const auto& tcp = std::get<TcpAddress>(address);
  return tcp.host.find(':') == std::string::npos ? fmt::format("{}:{}", tcp.host, tcp.port)
                                                 : fmt::format("[{}]:{}", tcp.host, tcp.port);
}

Result<> check_literal(const std::string& address) {
  TRY_OK(raw_address(TcpAddress{address, 0}));
  return {};
}

Result<File> bind_socket(const Address& address, const BindOptions& options) {
  TRY(auto raw, raw_address(address));
  const auto* unix_address = std::get_if<UnixAddress>(&address);
  if (unix_address != nullptr) TRY_OK(remove_stale(unix_address->path, raw));
  const std::string name = to_string(address);
  File file(::socket(raw.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!file.is_open()) return fail_errno("socket", name, errno);
  const int one = 1;
  if (unix_address == nullptr) {
    ::setsockopt(file.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (options.reuse_port) ::setsockopt(file.fd(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (raw.get()->sa_family == AF_INET6)
      ::setsockopt(file.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  }
  if (::bind(file.fd(), raw.get(), raw.length) != 0) return fail_errno("bind", name, errno);
  if (unix_address != nullptr && ::chmod(unix_address->path.c_str(), options.mode) != 0)
    return fail_errno("chmod", name, errno);
  if (::listen(file.fd(), options.backlog) != 0) return fail_errno("listen", name, errno);
  return file;
}

Result<StreamPtr> adopt_socket(Executor executor, File connected) {
  const int flags = ::fcntl(connected.fd(), F_GETFL);
  if (flags < 0 || ::fcntl(connected.fd(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail_errno("fcntl", "socket", errno);
  return std::make_unique<SocketStream>(std::move(executor), std::move(connected));
}

Task<StreamPtr> connect(Executor executor, Address address, SteadyTime deadline,
                        std::string source) {
  if (Dialer* const dialer = Dialer::of_process()) {
    if (const auto* unix_address = std::get_if<UnixAddress>(&address)) {
      CO_TRY(File dialed, co_await dialer->dial(unix_address->path, deadline));
      co_return std::make_unique<SocketStream>(std::move(executor), std::move(dialed));
    }
  }
  CO_TRY(auto raw, raw_address(address));
  const std::string name = to_string(address);
  File file(::socket(raw.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!file.is_open()) co_return fail_errno("socket", name, errno);
  const int fd = file.fd();
  if (!source.empty()) {
    CO_TRY(auto from, raw_address(TcpAddress{source, 0}));
    const int one = 1;  // the port is chosen at connect, so that one address serves many hosts
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (::bind(fd, from.get(), from.length) != 0)
      co_return fail_errno("bind to the source address", source, errno);
  }
  int error = ::connect(fd, raw.get(), raw.length) == 0 ? 0 : errno;
  auto stream = std::make_unique<SocketStream>(std::move(executor), std::move(file));
  if (error == EINPROGRESS) {
    CO_TRY_OK(co_await stream->wait_writable(deadline));
    socklen_t length = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  }
  if (error != 0) co_return fail_errno("connect", name, error);
  stream->read_addresses();
  co_return stream;
}

}  // namespace posthorn::net
