#include "net/resolver.h"

#include <algorithm>
#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <asio/experimental/as_tuple.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <netdb.h>
#include <random>
#include <unordered_map>

#include "base/ascii.h"
#include "net/timer.h"

namespace posthorn::net {
namespace {

// c-ares on the role's loop: its sockets are watched by descriptors that are never closed here, its
// time-outs by a timer.
class AresResolver final : public Resolver {
 public:
  explicit AresResolver(Executor executor) : executor_(std::move(executor)), timer_(executor_) {}

  ~AresResolver() override {
    *alive_ = false;
    if (channel_ != nullptr) {
      ares_cancel(channel_);
      ares_destroy(channel_);
    }
    for (auto& [fd, watch] : watches_) watch->descriptor.release();
  }

  Result<> open(const Options& wanted) {
    const std::string& servers = wanted.servers;
    ares_options options{};
    options.timeout = static_cast<int>(wanted.try_timeout.count());
    options.tries = wanted.tries;
    options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<AresResolver*>(self)->watch(fd, readable != 0, writable != 0);
    };
    options.sock_state_cb_data = this;
    const int made = ares_init_options(
        &channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (made != ARES_SUCCESS)
      return fail(ErrorKind::config, fmt::format("DNS: {}", ares_strerror(made)));
    if (!servers.empty() && ares_set_servers_ports_csv(channel_, servers.c_str()) != ARES_SUCCESS)
      return fail(ErrorKind::config,
                  fmt::format("relay.resolver: \"{}\" is no list of servers", servers));
    return {};
  }

  Task<MxAnswer> mx(std::string name, SteadyTime deadline) override {
    CO_TRY(const auto raw, co_await query(name, ns_t_mx, deadline));
    MxAnswer answer;
    answer.name_exists = raw.status != ARES_ENOTFOUND;
    if (raw.bytes.empty()) co_return answer;
    ares_mx_reply* list = nullptr;
    int parsed = ares_parse_mx_reply(raw.data(), raw.size(), &list);
    if (parsed == ARES_SUCCESS && list == nullptr) parsed = ARES_ENODATA;
    CO_TRY_OK(judge(parsed, name, raw));
    for (const ares_mx_reply* mx = list; mx != nullptr; mx = mx->next)
      answer.records.push_back({mx->priority, canonical(mx->host)});
    if (list != nullptr) ares_free_data(list);
    std::shuffle(answer.records.begin(), answer.records.end(),
                 std::mt19937(std::random_device{}()));
    std::sort(answer.records.begin(), answer.records.end(),
              [](const auto& a, const auto& b) { return a.preference < b.preference; });
    co_return answer;
  }

  Task<std::vector<std::string>> addresses(std::string host, SteadyTime deadline) override {
    const auto asked4 = ask(host, ns_t_a);
    const auto asked6 = ask(host, ns_t_aaaa);
    auto v4 = co_await answer(asked4, host, deadline);
    auto v6 = co_await answer(asked6, host, deadline);
    std::vector<std::string> found;
    const Result<> read4 = v4 ? read_addresses4(*v4, host, found) : std::unexpected(v4.error());
    const Result<> read6 = v6 ? read_addresses6(*v6, host, found) : std::unexpected(v6.error());
    // Servers that answer for one kind only are common: what is known is used.
    if (!found.empty()) co_return found;
    CO_TRY_OK(read4);
    CO_TRY_OK(read6);
    co_return found;
  }

  Task<std::vector<std::string>> txt(std::string name, SteadyTime deadline) override {
    std::vector<std::string> found;
    CO_TRY(const auto raw, co_await query(name, ns_t_txt, deadline));
    ares_txt_ext* list = nullptr;
    if (raw.bytes.empty()) co_return found;
    int parsed = ares_parse_txt_reply_ext(raw.data(), raw.size(), &list);
    if (parsed == ARES_SUCCESS && list == nullptr) parsed = ARES_ENODATA;
    CO_TRY_OK(judge(parsed, name, raw));
    for (const ares_txt_ext* part = list; part != nullptr; part = part->next) {
      if (part->record_start != 0 || found.empty()) found.emplace_back();
      found.back().append(reinterpret_cast<const char*>(part->txt), part->length);
    }
    if (list != nullptr) ares_free_data(list);
    co_return found;
  }

  Task<std::vector<std::string>> names(std::string address, SteadyTime deadline) override {
    std::vector<std::string> found;
    std::string reverse;
    in_addr v4{};
    in6_addr v6{};
    if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
      const std::uint32_t a = ntohl(v4.s_addr);
      reverse = fmt::format("{}.{}.{}.{}.in-addr.arpa", a & 255U, a >> 8U & 255U, a >> 16U & 255U,
                            a >> 24U);
    } else if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
      for (int i = 15; i >= 0; --i)
        reverse += fmt::format("{:x}.{:x}.", v6.s6_addr[i] & 15U, v6.s6_addr[i] >> 4U);
      reverse += "ip6.arpa";
    } else {
      co_return found;
    }
    CO_TRY(const auto raw, co_await query(reverse, ns_t_ptr, deadline));
    hostent* host = nullptr;
    if (raw.bytes.empty()) co_return found;
    CO_TRY_OK(judge(ares_parse_ptr_reply(raw.data(), raw.size(), &v4, sizeof v4, AF_INET, &host),
                    reverse, raw));
    if (host == nullptr) co_return found;
    for (char** alias = host->h_aliases; alias != nullptr && *alias != nullptr; ++alias)
      found.push_back(canonical(*alias));
    ares_free_hostent(host);
    co_return found;
  }

 private:
  struct Raw {
    int status = 0;
    std::string bytes;
    const unsigned char* data() const {
      return reinterpret_cast<const unsigned char*>(bytes.data());
    }
    int size() const { return static_cast<int>(bytes.size()); }
  };
  struct Query {  // shared by the asker and c-ares, whichever lets go last
    explicit Query(const Executor& executor) : done(executor) {}
    Event done;
    bool finished = false;
    Raw raw;
  };
  struct Watch {
    Watch(const Executor& executor, int fd) : descriptor(executor, fd) {}
    asio::posix::stream_descriptor descriptor;
    bool read = false, write = false, reading = false, writing = false;
  };

  static std::string canonical(std::string name) {
    name = to_lower(name);
    if (name.ends_with('.')) name.pop_back();
    return name;
  }

  static std::unexpected<Error> unknown(const std::string& name, std::string_view why) {
    return fail(ErrorKind::temporary, fmt::format("DNS {}: {}", name, why));
  }

  // What c-ares made of an answer. One that cannot be read is no answer; nor are aliases that lead
  // only to each other.
  static Result<> judge(int parsed, const std::string& name, const Raw& raw) {
    if (parsed == ARES_SUCCESS) return {};
    if (parsed != ARES_ENODATA) return unknown(name, ares_strerror(parsed));
    if (is_loop(name, raw)) return unknown(name, "its aliases are a loop");
    return {};
  }

  static bool is_loop(const std::string& name, const Raw& raw) {
    std::unordered_map<std::string, std::string> aliases;
    const unsigned char* at = raw.data() + NS_HFIXEDSZ;
    const unsigned char* const end = raw.data() + raw.size();
    const auto left = [&] { return end - at; };
    const auto take_name = [&](std::string& text, const unsigned char* from) -> long {
      char* expanded = nullptr;
      long size = 0;
      if (from >= end || ares_expand_name(from, raw.data(), raw.size(), &expanded, &size) != 0)
        return -1;
      text = canonical(expanded);
      ares_free_string(expanded);
      return size;
    };
    std::string owner, target;
    long size = take_name(owner, at);  // the question; c-ares has made sure that there is one
    if (size < 0 || left() < size + NS_QFIXEDSZ) return false;
    at += size + NS_QFIXEDSZ;
    while ((size = take_name(owner, at)) >= 0 && left() >= size + NS_RRFIXEDSZ) {
      at += size;
      const int type = at[0] << 8 | at[1];
      const int length = at[8] << 8 | at[9];
      at += NS_RRFIXEDSZ;
      if (left() < length) break;
      if (type == ns_t_cname && take_name(target, at) >= 0) aliases[owner] = target;
      at += length;
    }
    std::string here = canonical(name);
    for (std::size_t steps = 0; steps <= aliases.size(); ++steps) {
      const auto next = aliases.find(here);
      if (next == aliases.end()) return false;
      here = next->second;
    }
    return true;
  }

  static Result<> read_addresses4(const Raw& raw, const std::string& host,
                                  std::vector<std::string>& found) {
    if (raw.bytes.empty()) return {};
    std::array<ares_addrttl, 32> list{};
    int count = static_cast<int>(list.size());
    const int parsed = ares_parse_a_reply(raw.data(), raw.size(), nullptr, list.data(), &count);
    std::array<char, INET6_ADDRSTRLEN> text{};
    for (int i = 0; parsed == ARES_SUCCESS && i < count; ++i)
      found.emplace_back(
          inet_ntop(AF_INET, &list[static_cast<std::size_t>(i)].ipaddr, text.data(), text.size()));
    return judge(parsed == ARES_SUCCESS && count == 0 ? ARES_ENODATA : parsed, host, raw);
  }

  static Result<> read_addresses6(const Raw& raw, const std::string& host,
                                  std::vector<std::string>& found) {
    if (raw.bytes.empty()) return {};
    std::array<ares_addr6ttl, 32> list{};
    int count = static_cast<int>(list.size());
    const int parsed = ares_parse_aaaa_reply(raw.data(), raw.size(), nullptr, list.data(), &count);
    std::array<char, INET6_ADDRSTRLEN> text{};
    for (int i = 0; parsed == ARES_SUCCESS && i < count; ++i)
      found.emplace_back(inet_ntop(AF_INET6, &list[static_cast<std::size_t>(i)].ip6addr,
                                   text.data(), text.size()));
    return judge(parsed == ARES_SUCCESS && count == 0 ? ARES_ENODATA : parsed, host, raw);
  }

  std::shared_ptr<Query> ask(const std::string& name, int type) {
    auto* asked = new std::shared_ptr<Query>(std::make_shared<Query>(executor_));
    const std::shared_ptr<Query> query = *asked;
    ares_query(
        channel_, name.c_str(), ns_c_in, type,
        [](void* argument, int status, int, unsigned char* bytes, int size) {
          const std::unique_ptr<std::shared_ptr<Query>> owned(
              static_cast<std::shared_ptr<Query>*>(argument));
          Query& mine = **owned;
          mine.finished = true;
          mine.raw.status = status;
          if (status == ARES_SUCCESS)
            mine.raw.bytes.assign(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
          mine.done.set();
        },
        asked);
    arm_timer();
    return query;
  }

  // Static, as a question may outlive the resolver.
  static Task<Raw> answer(std::shared_ptr<Query> query, std::string name, SteadyTime deadline) {
    while (!query->finished)
      if (!co_await query->done.wait(deadline) && !query->finished)
        co_return unknown(name, "no answer in time");
    switch (query->raw.status) {
      case ARES_EBADNAME:  // no such name can exist
        query->raw.status = ARES_ENOTFOUND;
        [[fallthrough]];
      case ARES_SUCCESS:
      case ARES_ENODATA:
      case ARES_ENOTFOUND:
        co_return query->raw;
      default:
        co_return unknown(name, ares_strerror(query->raw.status));
    }
  }

  Task<Raw> query(std::string name, int type, SteadyTime deadline) {
    co_return co_await answer(ask(name, type), name, deadline);
  }

  void watch(ares_socket_t fd, bool readable, bool writable) {
    auto& watch = watches_[fd];
    if (!readable && !writable) {
      if (watch) {
        watch->read = watch->write = false;
        watch->descriptor.release();  // c-ares closes it
      }
      watches_.erase(fd);
      return;
    }
    if (!watch) watch = std::make_shared<Watch>(executor_, fd);
    watch->read = readable;
    watch->write = writable;
    wait(watch, fd);
  }

  void wait(const std::shared_ptr<Watch>& watch, ares_socket_t fd) {
    if (watch->read && !watch->reading) {
      watch->reading = true;
      watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                   [this, alive = alive_, watch, fd](const std::error_code& error) {
                                     watch->reading = false;
                                     if (error || !*alive || !watch->read) return;
                                     ares_process_fd(channel_, fd, ARES_SOCKET_BAD);
                                     if (watch->read) wait(watch, fd);
                                     arm_timer();
                                   });
    }
    if (watch->write && !watch->writing) {
      watch->writing = true;
      watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                                   [this, alive = alive_, watch, fd](const std::error_code& error) {
                                     watch->writing = false;
                                     if (error || !*alive || !watch->write) return;
                                     ares_process_fd(channel_, ARES_SOCKET_BAD, fd);
                                     if (watch->write) wait(watch, fd);
                                     arm_timer();
                                   });
    }
  }

  void arm_timer() {
    timeval value{};
    const timeval* left = ares_timeout(channel_, nullptr, &value);
    if (left == nullptr) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::chrono::seconds(left->tv_sec) +
                         std::chrono::microseconds(left->tv_usec) + 1ms);
    timer_.async_wait([this, alive = alive_](const std::error_code& error) {
      if (error || !*alive) return;
      ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      arm_timer();
    });
  }

  Executor executor_;
  asio::steady_timer timer_;
  // False when handlers that are on their way already must not come here any more.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  ares_channel channel_ = nullptr;
  std::unordered_map<ares_socket_t, std::shared_ptr<Watch>> watches_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::make(Executor executor, const Options& options) {
  auto resolver = std::make_unique<AresResolver>(std::move(executor));
  TRY_OK(resolver->open(options));
  return resolver;
}

}  // namespace posthorn::net
