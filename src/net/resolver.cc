#include "net/resolver.h"

#include <algorithm>
// Its older calls serve every version from 1.18 on; 1.34 would have others.
#define CARES_NO_DEPRECATED
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
#include "net/dns_message.h"
#include "net/timer.h"

namespace posthorn::net {
namespace {

constexpr int kTlsa = 52, kCaa = 257;  // RFC 6698 section 7.1, RFC 8659 section 7

// The data of one record as a value. An error: the record cannot be read.
std::unexpected<Error> malformed() {
  return fail(ErrorKind::temporary, "a record that cannot be read");
}
Result<TlsaRecord> read_tlsa(std::string_view, const DnsRecord& record) {
  if (record.data.size() < 4) return malformed();
  return TlsaRecord{read_number8(record.data, 0), read_number8(record.data, 1),
                    read_number8(record.data, 2), std::string(record.data.substr(3))};
}
Result<SrvRecord> read_srv(std::string_view message, const DnsRecord& record) {
  if (record.data.size() < 7) return malformed();
  TRY(std::string target, read_dns_name(message, record.data_at + 6));
  return SrvRecord{read_number16(record.data, 0), read_number16(record.data, 2),
                   read_number16(record.data, 4), std::move(target)};
}
Result<CaaRecord> read_caa(std::string_view, const DnsRecord& record) {
  if (record.data.size() < 2) return malformed();
  const auto size = static_cast<std::size_t>(read_number8(record.data, 1));
  if (size == 0 || size > record.data.size() - 2) return malformed();
  return CaaRecord{read_number8(record.data, 0), to_lower(record.data.substr(2, size)),
                   std::string(record.data.substr(2 + size))};
}
Result<std::string> read_target(std::string_view message, const DnsRecord& record) {
  return read_dns_name(message, record.data_at);
}

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
    answer.validated = raw.validated;
    if (raw.bytes.empty()) co_return answer;
    ares_mx_reply* list = nullptr;
    int parsed = ares_parse_mx_reply(raw.data(), raw.size(), &list);
    if (parsed == ARES_SUCCESS && list == nullptr) parsed = ARES_ENODATA;
    CO_TRY_OK(judge(parsed, name, raw));
    for (const ares_mx_reply* mx = list; mx != nullptr; mx = mx->next)
      answer.records.push_back({mx->priority, canonical_name(mx->host)});
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
    const std::string reverse = reverse_name(address);
    if (reverse.empty()) co_return found;
    CO_TRY(const auto raw, co_await query(reverse, ns_t_ptr, deadline));
    hostent* host = nullptr;
    const in_addr none{};  // c-ares only copies it into what is not used
    if (raw.bytes.empty()) co_return found;
    CO_TRY_OK(
        judge(ares_parse_ptr_reply(raw.data(), raw.size(), &none, sizeof none, AF_INET, &host),
              reverse, raw));
    if (host == nullptr) co_return found;
    for (char** alias = host->h_aliases; alias != nullptr && *alias != nullptr; ++alias)
      found.push_back(canonical_name(*alias));
    ares_free_hostent(host);
    co_return found;
  }

  Task<Records<TlsaRecord>> tlsa(std::string name, SteadyTime deadline) override {
    return records(std::move(name), kTlsa, read_tlsa, deadline);
  }
  Task<Records<SrvRecord>> srv(std::string name, SteadyTime deadline) override {
    return records(std::move(name), ns_t_srv, read_srv, deadline);
  }
  Task<Records<CaaRecord>> caa(std::string name, SteadyTime deadline) override {
    return records(std::move(name), kCaa, read_caa, deadline);
  }
  Task<Records<std::string>> alias(std::string name, SteadyTime deadline) override {
    return records(std::move(name), ns_t_cname, read_target, deadline);
  }

 private:
  struct Raw {
    int status = 0;
    Validated validated = Validated::no;
    std::string bytes;  // empty: no such name, or nothing of the type
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
    const auto records = read_dns_records(raw.bytes);
    if (!records) return false;
    std::unordered_map<std::string, std::string> aliases;
    for (const DnsRecord& record : *records)
      if (record.type == ns_t_cname)
        if (auto target = read_target(raw.bytes, record)) aliases[record.owner] = *target;
    std::string here = canonical_name(name);
    for (std::size_t steps = 0; steps <= aliases.size(); ++steps) {
      const auto next = aliases.find(here);
      if (next == aliases.end()) return false;
      here = next->second;
    }
    return true;
  }

  template <class Record>
  Task<Records<Record>> records(std::string name, int type,
                                Result<Record> (*read)(std::string_view, const DnsRecord&),
                                SteadyTime deadline) {
    CO_TRY(const auto raw, co_await query(name, type, deadline));
    Records<Record> answer{
        .records = {}, .name_exists = raw.status != ARES_ENOTFOUND, .validated = raw.validated};
    if (raw.bytes.empty()) co_return answer;
    const auto all = read_dns_records(raw.bytes);
    if (!all) co_return unknown(name, all.error().what);
    for (const DnsRecord& record : *all) {
      if (record.type != type) continue;
      // The server follows an alias with what the next name is an alias of.
      if (type == ns_t_cname && record.owner != canonical_name(name)) continue;
      auto one = read(raw.bytes, record);
      if (!one) co_return unknown(name, one.error().what);
      answer.records.push_back(*std::move(one));
    }
    if (answer.records.empty() && type != ns_t_cname) CO_TRY_OK(judge(ARES_ENODATA, name, raw));
    co_return answer;
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

  // What ares_query() would do, with AD set in the question, so that the answer has it.
  std::shared_ptr<Query> ask(const std::string& name, int type) {
    constexpr int kAuthentic = 0x20;  // of the second byte of flags
    auto query = std::make_shared<Query>(executor_);
    unsigned char* question = nullptr;
    int size = 0;
    const auto id = static_cast<unsigned short>(std::random_device{}());
    const int made = ares_create_query(name.c_str(), ns_c_in, type, id, 1, &question, &size, 0);
    if (made != ARES_SUCCESS) {
      query->finished = true;
      query->raw.status = made;
      return query;
    }
    question[3] |= kAuthentic;
    ares_send(
        channel_, question, size,
        [](void* argument, int status, int, unsigned char* bytes, int length) {
          const std::unique_ptr<std::shared_ptr<Query>> owned(
              static_cast<std::shared_ptr<Query>*>(argument));
          Query& mine = **owned;
          mine.finished = true;
          mine.raw.status = status;
          if (status == ARES_SUCCESS) {
            mine.raw.bytes.assign(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(length));
            mine.raw.status = read_status(mine.raw.bytes);
            if ((bytes[3] & kAuthentic) != 0) mine.raw.validated = Validated::yes;
          }
          if (mine.raw.status != ARES_SUCCESS) mine.raw.bytes.clear();
          mine.done.set();
        },
        new std::shared_ptr<Query>(query));
    ares_free_string(question);
    arm_timer();
    return query;
  }

  static int read_status(std::string_view message) {  // c-ares has made sure of a header
    switch (read_number8(message, 3) & 0x0F) {
      case ns_r_noerror:
        return read_number16(message, 6) > 0 ? ARES_SUCCESS : ARES_ENODATA;
      case ns_r_nxdomain:
        return ARES_ENOTFOUND;
      case ns_r_formerr:
        return ARES_EFORMERR;
      case ns_r_refused:
        return ARES_EREFUSED;
      default:
        return ARES_ESERVFAIL;
    }
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
