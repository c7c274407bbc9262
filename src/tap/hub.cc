#include "tap/hub.h"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <optional>

#include "net/buffer.h"
#include "net/line_channel.h"
#include "net/timer.h"

namespace posthorn::tap {
namespace {

constexpr std::size_t kPendingMax = 256 * 1024;  // of a watcher that does not read
constexpr std::size_t kRecentMax = 50;           // lines from before the login
constexpr std::size_t kWatchersMax = 16;
constexpr auto kLook = 2s;  // how often a silent watcher's end is looked for

}  // namespace

struct Hub::Watcher {
  explicit Watcher(const net::Executor& executor) : news(executor) {}
  std::string user, session;  // empty: all
  bool wants_bodies = false;
  std::string pending;
  std::size_t lost = 0;
  net::Event news;
};

// Forwards everything; owned by the connection's coroutine like the stream within.
class TapStream final : public net::Stream {
 public:
  TapStream(Hub& hub, net::StreamPtr stream, Protocol protocol, std::string service, Side side)
      : hub_(hub),
        stream_(std::move(stream)),
        protocol_(protocol),
        service_(std::move(service)),
        side_(side),
        place_(hub_.streams_.insert(hub_.streams_.end(), this)) {}
  void begin() {
    if (!hub_.is_watched()) return;
    const net::Peer& peer = stream_->peer();
    note(side_ == Side::server
             ? "connected from " + peer.address
             : fmt::format("connected to {}{}", peer.address,
                           peer.port == 0 ? "" : fmt::format(" port {}", peer.port)));
  }
  ~TapStream() override {
    if (hub_.is_watched()) note("closed");
    hub_.streams_.erase(place_);
  }

  net::Task<std::size_t> read_some(std::span<char> buffer, SteadyTime deadline) override {
    auto n = co_await stream_->read_some(buffer, deadline);
    if (n && hub_.is_watched())
      saw(side_ == Side::server ? From::client : From::server, {buffer.data(), *n});
    else
      is_touched_ = true;
    co_return n;
  }
  net::Task<> write(std::string_view bytes, SteadyTime deadline) override {
    if (hub_.is_watched())
      saw(side_ == Side::server ? From::server : From::client, bytes);
    else
      is_touched_ = true;
    return stream_->write(bytes, deadline);
  }
  net::Task<> wait_readable(SteadyTime deadline) override {
    return stream_->wait_readable(deadline);
  }
  net::Task<> start_tls(const net::TlsServer& tls, SteadyTime deadline) override {
    auto done = co_await stream_->start_tls(tls, deadline);
    tell_tls(done);
    co_return done;
  }
  net::Task<> start_tls(const net::TlsClient& tls, const std::string& name,
                        SteadyTime deadline) override {
    auto done = co_await stream_->start_tls(tls, name, deadline);
    tell_tls(done);
    co_return done;
  }
  void interrupt() override { stream_->interrupt(); }
  void close() override { stream_->close(); }
  net::Task<> shut_down(SteadyTime deadline) override { return stream_->shut_down(deadline); }
  void identify(std::string_view session, std::string_view account) override;
  const net::Peer& peer() const override { return stream_->peer(); }
  const net::Peer& local() const override { return stream_->local(); }
  const net::TlsInfo* tls() const override { return stream_->tls(); }

  const std::string& session() const { return session_; }
  const std::string& account() const { return account_; }
  const std::string& service() const { return service_; }

 private:
  void saw(From from, std::string_view bytes);
  void tell(Line line);
  void note(const std::string& text) { tell({From::server, Line::Kind::text, "-- " + text}); }
  void tell_tls(const Result<>& done) {
    if (!hub_.is_watched()) return;
    note(!done ? "no TLS: " + make_printable(done.error().what)
               : stream_->tls()->version + " " + stream_->tls()->cipher);
  }

  Hub& hub_;
  net::StreamPtr stream_;
  Protocol protocol_;
  std::string service_;
  Side side_;
  std::list<const TapStream*>::iterator place_;
  std::string session_ = "-", account_;
  // Only of a connection that somebody watched: the many others are to cost nothing.
  struct Seen {
    std::uint64_t epoch = 0;  // of dialog
    std::optional<Dialog> dialog;
    std::deque<Line> recent;  // until the account is known, for who watches it
  };
  Seen& seen() {
    if (!seen_) seen_ = std::make_unique<Seen>();
    return *seen_;
  }

  bool is_touched_ = false;  // bytes passed that nobody saw
  std::unique_ptr<Seen> seen_;
};

void TapStream::saw(From from, std::string_view bytes) {
  auto& [epoch, dialog, recent] = seen();
  if (!dialog || epoch != hub_.epoch_) {
    const bool is_new = !dialog && !is_touched_;
    dialog.emplace(protocol_, is_new ? Begin::at_start : Begin::in_the_middle);
    if (!account_.empty()) dialog->set_logged_in();
    epoch = hub_.epoch_;
  }
  std::vector<Line> lines;
  dialog->feed(from, bytes, lines);
  for (Line& line : lines) tell(std::move(line));
}

void TapStream::tell(Line line) {
  hub_.deliver(*this, line);
  if (!account_.empty() || !hub_.has_user_watcher()) return;
  std::deque<Line>& recent = seen().recent;
  recent.push_back(std::move(line));
  if (recent.size() > kRecentMax) recent.pop_front();
}

void TapStream::identify(std::string_view session, std::string_view account) {
  session_ = session;
  stream_->identify(session, account);
  if (account.empty() || account == account_) return;
  account_ = account;
  if (!seen_) return;
  if (seen_->dialog) seen_->dialog->set_logged_in();
  for (Hub::Watcher* watcher : hub_.watchers_)
    if (watcher->user == account_)
      for (const Line& line : seen_->recent) hub_.offer(*watcher, *this, line);
  seen_->recent.clear();
}

net::StreamPtr Hub::wrap(net::StreamPtr stream, Protocol protocol, std::string service) {
  auto tapped = std::make_unique<TapStream>(*this, std::move(stream), protocol, std::move(service),
                                            Side::server);
  tapped->begin();
  return tapped;
}

net::StreamPtr Hub::wrap_client(net::StreamPtr stream, std::string service,
                                std::string_view session, std::string_view account) {
  auto tapped = std::make_unique<TapStream>(*this, std::move(stream), Protocol::smtp,
                                            std::move(service), Side::client);
  tapped->identify(session, account);
  tapped->begin();
  return tapped;
}

bool Hub::has_user_watcher() const {
  return std::ranges::any_of(watchers_, [](const Watcher* one) { return !one->user.empty(); });
}

bool Hub::has_session(std::string_view session) const {
  return std::ranges::any_of(streams_,
                             [&](const TapStream* stream) { return stream->session() == session; });
}

void Hub::deliver(const TapStream& source, const Line& line) {
  for (Watcher* watcher : watchers_) {
    if (!watcher->user.empty() && watcher->user != source.account()) continue;
    if (!watcher->session.empty() && watcher->session != source.session()) continue;
    offer(*watcher, source, line);
  }
}

void Hub::offer(Watcher& watcher, const TapStream& source, const Line& line) const {
  if (line.kind == Line::Kind::body && !watcher.wants_bodies) return;
  if (line.kind == Line::Kind::summary && watcher.wants_bodies) return;
  const bool is_note = line.text.starts_with("-- ");
  if (watcher.pending.size() > kPendingMax) {
    ++watcher.lost;
    return;
  }
  const std::string time = format_log_time(scope_.clock().now());
  watcher.pending += fmt::format(
      "{} {} {}{}{} {}{}\n", std::string_view(time).substr(11, 12), source.session(),
      source.service(), source.account().empty() ? "" : " ", make_printable(source.account()),
      is_note                     ? ""
      : line.from == From::client ? "C: "
                                  : "S: ",
      line.text);
  watcher.news.set();
}

net::Awaitable<void> Hub::serve(net::StreamPtr stream) {
  Watcher watcher(scope_.executor());
  const net::Scope::Registration registration(scope_, *stream, [&] { watcher.news.close(); });
  net::InBuffer in;
  const SteadyTime deadline = scope_.after(10s);
  std::optional<std::string> request;
  while (!request) {
    if (const auto line = in.take_line())
      request = std::string(*line);
    else if (in.data().size() > net::kLineMax || !co_await in.fill(*stream, deadline))
      co_return;
  }
  const auto parsed = net::parse_message(*request);
  if (!parsed || parsed->message.verb != "watch" || watchers_.size() >= kWatchersMax) {
    (void)co_await stream->write("-- refused\n", deadline);
    co_return;
  }
  watcher.user = parsed->message.get("user");
  watcher.session = parsed->message.get("session");
  watcher.wants_bodies = parsed->message.find("bodies").has_value();
  watcher.pending = "-- watching\n";
  if (!watcher.session.empty() && !has_session(watcher.session))
    watcher.pending += "-- no such session\n";
  if (watchers_.empty()) ++epoch_;
  watchers_.push_back(&watcher);
  while (!watcher.news.is_closed()) {
    if (watcher.pending.empty() && watcher.lost == 0) {
      co_await watcher.news.wait_for(kLook);
      // A watcher says nothing any more: that there is something to read means that it went.
      const auto said = co_await stream->wait_readable(scope_.after(1ms));
      if (said || said.error().kind != ErrorKind::timeout) break;
      continue;
    }
    std::string pending = std::exchange(watcher.pending, {});
    if (const std::size_t lost = std::exchange(watcher.lost, 0); lost > 0)
      pending += fmt::format("-- {} lines lost: they came faster than they were read\n", lost);
    if (!co_await stream->write(pending, scope_.after(60s))) break;
  }
  std::erase(watchers_, &watcher);
}

Protocol protocol_of(std::string_view service) {
  return service.starts_with("imap")   ? Protocol::imap
         : service.starts_with("pop3") ? Protocol::pop3
         : service == "managesieve"    ? Protocol::managesieve
                                       : Protocol::smtp;
}

}  // namespace posthorn::tap
