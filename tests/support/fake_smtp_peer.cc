#include "tests/support/fake_smtp_peer.h"

namespace posthorn::test {
namespace {

std::string verb_of(std::string_view line) {
  std::string verb(line.substr(0, line.find(' ')));
  for (char& c : verb)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return verb;
}

}  // namespace

// One connection.
struct FakeSmtpPeer::Run {
  FakeSmtpPeer& peer;
  Wire& wire;
  std::size_t number;
  Dialog dialog;
  std::map<std::string, std::size_t> used{};
  std::size_t accepted = 0;

  void record(const std::function<void(Session&)>& change) {
    const std::lock_guard lock(peer.mutex_);
    change(peer.sessions_[number]);
  }

  // False: the connection is over. said: what this act said.
  bool act(const std::string& stage, std::string_view otherwise, std::string* said = nullptr) {
    Act act{std::string(otherwise), Act::After::go_on};
    if (const auto found = dialog.find(stage); found != dialog.end() && !found->second.empty())
      act = found->second[std::min(used[stage]++, found->second.size() - 1)];
    if (said != nullptr) *said = act.say;
    if (!act.say.empty() && !wire.say(act.say)) return false;
    switch (act.after) {
      case Act::After::go_on:
        return true;
      case Act::After::close:
        wire.close();
        return false;
      case Act::After::reset:
        wire.reset();
        return false;
      case Act::After::stall:
        wire.stall();
        return false;
    }
    return false;
  }

  std::optional<std::string> read_line() {
    auto line = wire.line();
    if (!line) return line;
    const bool crlf = line->size() >= 2 && (*line)[line->size() - 2] == '\r';
    const std::size_t inner = line->size() - (crlf ? 2 : 1);
    if (!crlf || line->substr(0, inner).find('\r') != std::string::npos)
      record([](Session& session) { session.bare_line_ends = true; });
    return line;
  }

  bool take_body() {
    if (dialog.contains("body")) {
      const std::string some = wire.some();
      record([&](Session& session) { session.body += some; });
      return act("body", "");
    }
    while (true) {
      const auto line = read_line();
      if (!line) return false;
      if (*line == ".\r\n") break;
      record([&](Session& session) { session.body += *line; });
    }
    record([](Session& session) { session.ended = true; });
    const std::size_t replies = peer.options_.protocol == Protocol::lmtp ? accepted : 1;
    for (std::size_t i = 0; i < replies; ++i)
      if (!act("EOD", "250 2.0.0 taken\r\n")) return false;
    return true;
  }

  bool command(const std::string& line) {
    const std::string verb = verb_of(line);
    record([&](Session& session) { session.commands.push_back(line); });
    std::string said;
    if (verb == "EHLO" || verb == "LHLO")
      return act("EHLO", peer.options_.tls == nullptr
                             ? "250-peer.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                             : "250-peer.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n");
    if (verb == "MAIL") {
      accepted = 0;
      return act("MAIL", "250 2.1.0 sender taken\r\n");
    }
    if (verb == "RCPT") {
      if (!act("RCPT", "250 2.1.5 recipient taken\r\n", &said)) return false;
      accepted += said.starts_with('2') ? 1 : 0;
      return true;
    }
    if (verb == "DATA") {
      if (!act("DATA", "354 go ahead\r\n", &said)) return false;
      return !said.starts_with("354") || take_body();
    }
    if (verb == "STARTTLS") {
      if (!act("STARTTLS", "220 2.0.0 go\r\n", &said)) return false;
      if (!said.starts_with("220") || peer.options_.tls == nullptr) return true;
      if (dialog.contains("handshake")) {
        (void)wire.some();  // the client's first words, so that what follows answers them
        if (!act("handshake", "")) return false;
      }
      if (!wire.start_tls(*peer.options_.tls)) return false;
      record([this](Session& session) {
        session.tls = true;
        session.server_name = wire.server_name();
      });
      return true;
    }
    if (verb == "QUIT") {
      (void)act("QUIT", "221 2.0.0 bye\r\n");
      return false;
    }
    if (verb == "AUTH") return act("AUTH", "235 2.7.0 welcome\r\n");
    if (verb == "RSET") return act("RSET", "250 2.0.0 forgotten\r\n");
    if (verb == "HELO") return act("HELO", "250 peer.test\r\n");
    return act("other", "500 5.5.1 what?\r\n");
  }

  void go() {
    record([this](Session& session) { session.client = wire.peer(); });
    if (!act("banner", "220 peer.test ready\r\n")) return;
    while (auto line = read_line()) {
      while (line->ends_with('\n') || line->ends_with('\r')) line->pop_back();
      if (!command(*line)) return;
    }
  }
};

FakeSmtpPeer::FakeSmtpPeer(std::vector<Dialog> dialogs, Options options)
    : dialogs_(std::move(dialogs)),
      options_(std::move(options)),
      server_([this](Wire& wire, std::size_t number) { serve(wire, number); }, options_.where) {}

FakeSmtpPeer::FakeSmtpPeer(Dialog dialog) : FakeSmtpPeer(std::move(dialog), Options{}) {}

FakeSmtpPeer::FakeSmtpPeer(Dialog dialog, Options options)
    : FakeSmtpPeer(std::vector<Dialog>{std::move(dialog)}, std::move(options)) {}

void FakeSmtpPeer::serve(Wire& wire, std::size_t number) {
  Run run{*this, wire, number, dialogs_[std::min(number, dialogs_.size() - 1)]};
  run.go();
}

std::vector<FakeSmtpPeer::Session> FakeSmtpPeer::sessions() const {
  const std::lock_guard lock(mutex_);
  std::vector<Session> all;
  for (const auto& [number, session] : sessions_) all.push_back(session);
  return all;
}

FakeSmtpPeer::Session FakeSmtpPeer::session() const {
  const auto all = sessions();
  return all.empty() ? Session{} : all.back();
}

}  // namespace posthorn::test
