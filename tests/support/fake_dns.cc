#include "tests/support/fake_dns.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace posthorn::test {
namespace {

constexpr std::uint16_t kA = 1, kCname = 5, kPtr = 12, kMx = 15, kTxt = 16, kAaaa = 28, kSrv = 33,
                        kTlsa = 52, kCaa = 257;
constexpr std::size_t kHeader = 12;

void must(bool good) {
  if (!good) {
    std::perror("the fake DNS server");
    std::abort();
  }
}

std::string number16(std::size_t value) {
  return {static_cast<char>(value >> 8U & 0xFFU), static_cast<char>(value & 0xFFU)};
}

std::string wire_name(std::string name) {
  std::string out;
  if (name.ends_with('.')) name.pop_back();
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    const std::string label = name.substr(0, dot);
    out += static_cast<char>(label.size());
    out += label;
    name.erase(0, dot == std::string::npos ? name.size() : dot + 1);
  }
  out += '\0';
  return out;
}

std::string text_name(std::string_view wire) {
  std::string name;
  while (!wire.empty() && wire.front() != 0) {
    const auto size = static_cast<std::size_t>(wire.front());
    if (!name.empty()) name += '.';
    for (const char c : wire.substr(1, size))
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    wire.remove_prefix(std::min(wire.size(), size + 1));
  }
  return name;
}

std::string type_name(std::uint16_t type) {
  switch (type) {
    case kA:
      return "A";
    case kCname:
      return "CNAME";
    case kPtr:
      return "PTR";
    case kMx:
      return "MX";
    case kTxt:
      return "TXT";
    case kAaaa:
      return "AAAA";
    case kSrv:
      return "SRV";
    case kTlsa:
      return "TLSA";
    case kCaa:
      return "CAA";
    default:
      return std::to_string(type);
  }
}

std::string record_bytes(const std::string& owner, std::uint16_t type, const std::string& data) {
  return wire_name(owner) + number16(type) + number16(1) + number16(0) + number16(60) +
         number16(data.size()) + data;
}

std::string message(std::string_view id, unsigned flags, const std::string& question,
                    std::size_t count, const std::string& records) {
  return std::string(id) + number16(flags) + number16(1) + number16(count) + number16(0) +
         number16(0) + question + records;
}

}  // namespace

FakeDns::FakeDns() {
  std::array<int, 2> ends{};
  must(::pipe2(ends.data(), O_CLOEXEC) == 0);
  stop_read_ = File(ends[0]);
  stop_write_ = File(ends[1]);
  for (int i = 0; i < 50; ++i) {  // one port for both
    tcp_ = File(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    udp_ = File(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    must(::bind(udp_.fd(), raw, length) == 0 && ::getsockname(udp_.fd(), raw, &length) == 0);
    if (::bind(tcp_.fd(), raw, length) != 0) continue;
    must(::listen(tcp_.fd(), 64) == 0);
    port_ = ntohs(address.sin_port);
    break;
  }
  must(port_ != 0);
  thread_ = std::thread([this] { run(); });
}

FakeDns::~FakeDns() {
  (void)!::write(stop_write_.fd(), "x", 1);
  thread_.join();
}

std::string FakeDns::server() const {
  return "127.0.0.1:" + std::to_string(port_);
}

FakeDns& FakeDns::add(const std::string& name, Record record) {
  const std::lock_guard lock(mutex_);
  records_[name].push_back(std::move(record));
  return *this;
}

FakeDns& FakeDns::a(const std::string& name, const std::string& address) {
  std::string data(4, '\0');
  must(inet_pton(AF_INET, address.c_str(), data.data()) == 1);
  return add(name, {kA, data, {}});
}

FakeDns& FakeDns::aaaa(const std::string& name, const std::string& address) {
  std::string data(16, '\0');
  must(inet_pton(AF_INET6, address.c_str(), data.data()) == 1);
  return add(name, {kAaaa, data, {}});
}

FakeDns& FakeDns::mx(const std::string& name, std::uint16_t preference, const std::string& host) {
  return add(name, {kMx, number16(preference) + wire_name(host), {}});
}

FakeDns& FakeDns::cname(const std::string& name, const std::string& target) {
  return add(name, {kCname, wire_name(target), target});
}

FakeDns& FakeDns::txt(const std::string& name, const std::vector<std::string>& strings) {
  std::string data;
  for (const std::string& text : strings) {
    data += static_cast<char>(text.size());
    data += text;
  }
  return add(name, {kTxt, data, {}});
}

FakeDns& FakeDns::ptr(const std::string& name, const std::string& target) {
  return add(name, {kPtr, wire_name(target), {}});
}

FakeDns& FakeDns::tlsa(const std::string& name, const std::string& data) {
  return add(name, {kTlsa, data, {}});
}

FakeDns& FakeDns::srv(const std::string& name, std::uint16_t port, const std::string& target) {
  return add(name, {kSrv, number16(0) + number16(1) + number16(port) + wire_name(target), {}});
}

FakeDns& FakeDns::caa(const std::string& name, const std::string& tag, const std::string& value) {
  return add(name, {kCaa, std::string(1, '\0') + static_cast<char>(tag.size()) + tag + value, {}});
}

FakeDns& FakeDns::raw(const std::string& name, std::uint16_t type, const std::string& data) {
  return add(name, {type, data, {}});
}

FakeDns& FakeDns::validated(const std::string& name) {
  const std::lock_guard lock(mutex_);
  validated_.insert(name);
  return *this;
}

FakeDns& FakeDns::fault(const std::string& name, Fault fault, const std::string& type) {
  const std::lock_guard lock(mutex_);
  faults_[type + " " + name] = fault;
  return *this;
}

std::vector<std::string> FakeDns::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

std::string FakeDns::answer(std::string_view question, Carrier carrier, Fault* fault) {
  if (question.size() < kHeader + 5) return {};
  const std::size_t end = question.find('\0', kHeader);
  if (end == std::string_view::npos || end + 5 > question.size()) return {};
  const std::string asked(question.substr(kHeader, end + 5 - kHeader));
  const std::string name = text_name(question.substr(kHeader));
  const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(question[end + 1]) << 8U |
                                               static_cast<unsigned char>(question[end + 2]));
  const std::string_view id = question.substr(0, 2);
  const std::lock_guard lock(mutex_);
  ++questions_;
  if (carrier == Carrier::tcp) ++tcp_questions_;
  asked_.push_back(type_name(type) + " " + name);
  auto found = faults_.find(type_name(type) + " " + name);
  if (found == faults_.end()) found = faults_.find(" " + name);
  *fault = found == faults_.end() ? Fault::none : found->second;

  constexpr unsigned kTruncated = 0x0200, kAuthentic = 0x20;
  const bool is_validated =
      validated_.contains(name) && (static_cast<unsigned char>(question[3]) & kAuthentic) != 0;
  const unsigned answered = is_validated ? 0x8180 | kAuthentic : 0x8180;
  const auto code = [&](unsigned rcode) { return message(id, answered | rcode, asked, 0, {}); };
  std::string records;
  std::size_t count = 0;
  std::string owner = name;
  bool exists = records_.contains(name);
  for (int step = 0; step < 16; ++step) {  // a loop of names is sent as far as it goes
    const auto here = records_.find(owner);
    if (here == records_.end()) break;
    const Record* alias = nullptr;
    for (const Record& record : here->second) {
      if (record.type == kCname) alias = &record;
      if (record.type != type && record.type != kCname) continue;
      records += record_bytes(owner, record.type, record.data);
      ++count;
    }
    if (alias == nullptr || type == kCname) break;
    owner = alias->target;
  }
  const std::string whole = exists ? message(id, answered, asked, count, records) : code(3);
  const std::string truncated = message(id, answered | kTruncated, asked, 0, {});
  switch (*fault) {
    case Fault::none:
      return whole;
    case Fault::servfail:
      return code(2);
    case Fault::refused:
      return code(5);
    case Fault::formerr:
      return code(1);
    case Fault::nxdomain:
      return code(3);
    case Fault::silent:
      return {};
    case Fault::truncated:
      return carrier == Carrier::udp ? truncated : whole;
    case Fault::truncated_only:
      return carrier == Carrier::udp ? truncated : std::string();
    case Fault::cut:
      return whole.substr(0, kHeader + asked.size() + (whole.size() - kHeader - asked.size()) / 2);
    case Fault::garbage:
      return std::string(id) + std::string(60, '\xFF');
    case Fault::wrong_id:
      return std::string{static_cast<char>(id[0] ^ 1), id[1]} + whole.substr(2);
    case Fault::wrong_question:
      return message(id, answered, wire_name("other.test") + asked.substr(asked.size() - 4), count,
                     records);
    case Fault::counts:
      return message(id, answered, asked, 65'535, records);
    case Fault::pointer_loop: {
      const std::size_t here = kHeader + asked.size();
      const std::string self = number16(0xC000U | here);
      return message(
          id, answered, asked, 1,
          self + number16(type) + number16(1) + number16(0) + number16(60) + number16(2) + self);
    }
    case Fault::bad_length:
      return message(id, answered, asked, 1,
                     wire_name(name) + number16(type) + number16(1) + number16(0) + number16(60) +
                         number16(60'000) + "ab");
    case Fault::flood:
      return carrier == Carrier::udp ? truncated : whole;
  }
  return {};
}

void FakeDns::serve_tcp(int fd) {
  const File socket(fd);
  const timeval limit{2, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::string in;
  std::array<char, 4096> buffer{};
  while (true) {
    pollfd waiting[2] = {{fd, POLLIN, 0}, {stop_read_.fd(), POLLIN, 0}};
    if (::poll(waiting, 2, 5000) <= 0 || waiting[1].revents != 0) return;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) return;
    in.append(buffer.data(), static_cast<std::size_t>(n));
    while (in.size() >= 2) {
      const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(in[0])) << 8U |
                               static_cast<unsigned char>(in[1]);
      if (in.size() < size + 2) break;
      const std::string question = in.substr(2, size);
      in.erase(0, size + 2);
      if (!answer_tcp(fd, question)) return;
    }
  }
}

bool FakeDns::answer_tcp(int fd, const std::string& question) {
  Fault fault = Fault::none;
  const std::string reply = answer(question, Carrier::tcp, &fault);
  if (reply.empty()) return fault == Fault::silent;
  std::string out = number16(reply.size()) + reply;
  if (fault == Fault::flood) {
    const std::string other(60'000, '\x55');
    std::string noise;
    while (noise.size() < 10U << 20U) noise += number16(other.size()) + other;
    out = noise + out;
  }
  std::string_view left = out;
  while (!left.empty()) {
    const ssize_t sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void FakeDns::run() {
  std::vector<std::thread> sessions;
  while (true) {
    pollfd waiting[3] = {
        {udp_.fd(), POLLIN, 0}, {tcp_.fd(), POLLIN, 0}, {stop_read_.fd(), POLLIN, 0}};
    if (::poll(waiting, 3, -1) < 0 && errno != EINTR) break;
    if (waiting[2].revents != 0) break;
    if (waiting[0].revents != 0) {
      std::array<char, 4096> buffer{};
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t n = ::recvfrom(udp_.fd(), buffer.data(), buffer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
      if (n > 0) {
        Fault fault = Fault::none;
        const std::string reply =
            answer({buffer.data(), static_cast<std::size_t>(n)}, Carrier::udp, &fault);
        if (!reply.empty())
          (void)::sendto(udp_.fd(), reply.data(), reply.size(), 0,
                         reinterpret_cast<sockaddr*>(&from), length);
      }
    }
    if (waiting[1].revents != 0) {
      const int fd = ::accept4(tcp_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) sessions.emplace_back([this, fd] { serve_tcp(fd); });
    }
  }
  for (std::thread& session : sessions) session.join();
}

}  // namespace posthorn::test
