// Which ports are open: protocols, listen and the inet_listener of each service. A port is opened
// only where Dovecot had it open; sockets for other programs are not needed, and none is made.
#include <algorithm>
#include <fmt/format.h>

#include "base/ascii.h"
#include "net/networks.h"
#include "takeover/dovecot_mapping.h"

namespace posthorn::takeover {
namespace {

struct Listener {
  std::string_view protocol, service, name, key;
  std::string_view port;  // where nothing else is said
  enum class Form { starttls, tls } form;
};
constexpr Listener kListeners[] = {
    {"imap", "imap-login", "imap", "listen.imap", "143", Listener::Form::starttls},
    {"imap", "imap-login", "imaps", "listen.imaps", "993", Listener::Form::tls},
    {"pop3", "pop3-login", "pop3", "listen.pop3", "110", Listener::Form::starttls},
    {"pop3", "pop3-login", "pop3s", "listen.pop3s", "995", Listener::Form::tls},
    {"sieve", "managesieve-login", "sieve", "listen.managesieve", "4190", Listener::Form::starttls},
    {"submission", "submission-login", "submission", "listen.submission", "587",
     Listener::Form::starttls},
    {"submission", "submission-login", "submissions", "listen.submissions", "465",
     Listener::Form::tls},
};
constexpr std::string_view kLogins[] = {"listen.imap", "listen.imaps", "listen.pop3",
                                        "listen.pop3s", "listen.managesieve"};

class Listeners {
 public:
  explicit Listeners(DovecotMapping& mapping) : m_(mapping) {}

  void map() {
    read_protocols();
    read_addresses();
    for (const Listener& one : kListeners) add_usual(one);
    for (const DovecotBlock& block : m_.root().blocks)
      if (block.type == "service") map_service(block);
    for (const std::string_view key : kLogins) {
      if (!m_.why_no_logins.empty()) found_[std::string(key)].clear();
      m_.set(key, found_[std::string(key)]);
    }
    for (const std::string_view key : {"listen.submission", "listen.submissions", "listen.lmtp"})
      if (const auto& list = found_[std::string(key)]; !list.empty()) m_.set(key, list);
  }

 private:
  void read_protocols() {
    protocols_ = list_of(m_.root(), "protocols");
    const DovecotSetting* const setting = m_.root().find("protocols");
    const bool is_said = setting != nullptr || m_.root().find_block("protocols") != nullptr;
    if (!is_said) protocols_ = {"imap"};
    std::vector<std::string> others;
    for (const std::string& name : protocols_)
      if (name != "imap" && name != "pop3" && name != "sieve" && name != "lmtp" &&
          name != "submission" && name != "imaps" && name != "pop3s" && name != "none" &&
          name != "managesieve")
        others.push_back(name);
    // Names of Dovecot 1 and of packages that still write them.
    for (const auto& [old, now] : {std::pair<std::string_view, std::string_view>{"imaps", "imap"},
                                   {"pop3s", "pop3"},
                                   {"managesieve", "sieve"}})
      if (holds(protocols_, old)) protocols_.emplace_back(now);
    const std::string text =
        others.empty()
            ? "the ports of these are open, the others are not: see [listen]"
            : fmt::format("not served here: {}; the others are", fmt::join(others, ", "));
    m_.tell(setting, others.empty() ? Fate::taken : Fate::not_possible, text);
    if (const DovecotBlock* const block = m_.root().find_block("protocols"))
      m_.tell_all(*block, Fate::taken, text);
    if (!is_said)
      m_.tell_at(m_.conf().files.empty() ? "" : m_.conf().files.front().native(), 0, "protocols",
                 Fate::not_possible,
                 "nothing that was read names the protocols: IMAP is open, and nothing else; "
                 "listen.pop3 and the others of [listen] open what you had");
  }

  void read_addresses() {
    const DovecotSetting* const setting = m_.root().find("listen");
    std::string bad;
    addresses_ = addresses_of(setting == nullptr ? "*, ::" : setting->value, bad);
    m_.tell(setting, bad.empty() ? Fate::taken : Fate::not_possible,
            bad.empty() ? "the addresses of [listen]"
                        : fmt::format("{} is no address, and nothing listens there: name its "
                                      "address in [listen]",
                                      bad));
  }
  static std::vector<std::string> addresses_of(std::string_view text, std::string& bad) {
    std::vector<std::string> list;
    for (std::string word : words_of(text)) {
      if (word == "*") word = "0.0.0.0";
      if (word.starts_with('[') && word.ends_with(']')) word = word.substr(1, word.size() - 2);
      if (net::address_bytes(word).empty())
        bad = word;
      else
        list.push_back(word.find(':') == word.npos ? word : fmt::format("[{}]", word));
    }
    return list;
  }
  void add(std::string_view key, const std::vector<std::string>& addresses, std::string_view port) {
    auto& list = found_[std::string(key)];
    for (const std::string& address : addresses)
      if (std::string one = fmt::format("{}:{}", address, port); !holds(list, one))
        list.push_back(std::move(one));
  }

  // A listener that no block changes is open where its protocol is.
  void add_usual(const Listener& one) {
    if (!holds(protocols_, one.protocol) || has_no_tls(one.form)) return;
    const DovecotBlock* const service = m_.root().find_block("service", one.service);
    const DovecotBlock* const own =
        service == nullptr ? nullptr : service->find_block("inet_listener", one.name);
    if (own != nullptr) return;  // with its service
    // Dovecot has no listener for submissions until one is written.
    if (one.name == "submissions") return;
    add(one.key, addresses_, one.port);
  }
  bool has_no_tls(Listener::Form form) const {
    return form == Listener::Form::tls && equals_ignoring_case(m_.root().value_of("ssl"), "no");
  }

  void map_service(const DovecotBlock& service) {
    for (const DovecotBlock& listener : service.blocks) {
      if (listener.type == "inet_listener")
        map_listener(service, listener);
      else if (listener.type == "unix_listener" || listener.type == "fifo_listener")
        m_.tell_all(listener, Fate::not_needed,
                    "the roles of this server have sockets of their own: mail comes and logins are "
                    "checked without it");
    }
    for (const DovecotSetting& setting : service.settings)
      m_.tell(&setting, Fate::not_needed,
              "processes and accounts are this server's own: edge.workers, store.workers, [limits] "
              "and [users]");
  }

  void map_listener(const DovecotBlock& service, const DovecotBlock& listener) {
    const auto* known = std::ranges::find_if(kListeners, [&](const Listener& one) {
      return one.service == service.name && one.name == listener.name;
    });
    const bool is_tls = is_yes(listener.value_of("ssl")) ||
                        (known != std::end(kListeners) && known->form == Listener::Form::tls &&
                         listener.find("ssl") == nullptr);
    if (known == std::end(kListeners) || (known->form == Listener::Form::tls) != is_tls)
      known = std::ranges::find_if(kListeners, [&](const Listener& one) {
        return one.service == service.name && (one.form == Listener::Form::tls) == is_tls;
      });
    if (service.name == "lmtp") return map_lmtp(listener);
    if (known == std::end(kListeners)) {
      const bool is_doveadm = service.name == "doveadm" || service.name == "stats";
      return m_.tell_all(listener, Fate::not_possible,
                         is_doveadm ? "status, metrics and commands are `posthorn status` and "
                                      "web.metrics_from: no port is opened for them"
                                    : "this port stays closed: no other program asks this server");
    }
    std::string port = listener.value_of("port");
    if (port.empty() && known->name == listener.name) port = known->port;
    const auto number = to_number<std::uint16_t>(port);
    if (!holds(protocols_, known->protocol))
      return m_.tell_all(
          listener, Fate::not_needed,
          fmt::format("{} is not among the protocols: the port is closed", known->protocol));
    if (!number || *number == 0)
      return m_.tell_all(listener, Fate::taken, "this port is closed, here too");
    if (is_yes(listener.value_of("haproxy")))
      return m_.tell_all(listener, Fate::not_possible,
                         "HAProxy's protocol is not spoken: the port stays closed");
    if (is_tls && has_no_tls(Listener::Form::tls))
      return m_.tell_all(
          listener, Fate::not_possible,
          fmt::format("with ssl = no this port was closed; `{}` opens it", known->key));
    std::string bad;
    std::string own = listener.value_of("address");
    if (own.empty()) own = listener.value_of("listen");  // 2.4
    const auto addresses = own.empty() ? addresses_ : addresses_of(own, bad);
    add(known->key, addresses, port);
    m_.tell_all(listener, bad.empty() ? Fate::taken : Fate::not_possible,
                bad.empty() ? fmt::format("{}, port {}", known->key, port)
                            : fmt::format("{} is no address: name it in {}", bad, known->key));
  }

  // It needs no login: whoever reaches it delivers to anybody.
  void map_lmtp(const DovecotBlock& listener) {
    std::string bad;
    std::string text = listener.value_of("address");
    if (text.empty()) text = listener.value_of("listen");
    auto addresses = text.empty() ? addresses_ : addresses_of(text, bad);
    const std::size_t all = addresses.size();
    std::erase_if(addresses, [](const std::string& one) {
      return !one.starts_with("127.") && one != "[::1]";
    });
    const auto port = to_number<std::uint16_t>(listener.value_of("port"));
    if (!port || *port == 0)
      return m_.tell_all(listener, Fate::not_needed, "mail comes from this server's own queue");
    add("listen.lmtp", addresses, listener.value_of("port"));
    m_.tell_all(listener, addresses.size() == all && bad.empty() ? Fate::taken : Fate::not_possible,
                addresses.size() == all && bad.empty()
                    ? "listen.lmtp: for programs of this machine"
                    : "an entrance for LMTP needs no login: it is open on loopback alone, and "
                      "`listen.lmtp` says where else");
  }

  DovecotMapping& m_;
  std::vector<std::string> protocols_, addresses_;
  std::map<std::string, std::vector<std::string>> found_;
};

}  // namespace

void map_listeners(DovecotMapping& mapping) {
  Listeners(mapping).map();
}

}  // namespace posthorn::takeover
