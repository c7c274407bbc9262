#include "tools/sendmail.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "message/local_mail.h"
#include "message/mailbox_address.h"
#include "net/own_loop.h"
#include "net/timer.h"
#include "process/sockets.h"
#include "smtp/client/client.h"
#include "tools/control.h"
#include "tools/queue.h"
#include "tools/settings.h"

namespace posthorn::tools {
namespace {

using Mode = SendmailOptions::Mode;

// Options that have a value and mean nothing here.
constexpr std::string_view kPassedOver = "ABDhLOoprX";
constexpr auto kBusyMax = 1min;

int complain(int status, std::string_view what) {
  fmt::print(stderr, "sendmail: {}\n", what);
  return status;
}

class Arguments {
 public:
  explicit Arguments(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  Result<SendmailOptions> parse() {
    for (at_ = 1; at_ < arguments_.size(); ++at_) {
      const std::string& word = arguments_[at_];
      if (word == "--") {
        ++at_;
        break;
      }
      if (word.size() < 2 || word[0] != '-') break;
      TRY_OK(option(word[1], word.substr(2)));
    }
    // Options behind the recipients are taken too, as some callers put them there.
    for (; at_ < arguments_.size(); ++at_) {
      const std::string& word = arguments_[at_];
      if (word == "-t")
        options_.takes_recipients = true;
      else if (word == "-i" || word == "-oi")
        options_.ignores_dots = true;
      else
        options_.recipients.push_back(word);
    }
    return std::move(options_);
  }

 private:
  Result<> option(char letter, const std::string& rest) {
    switch (letter) {
      case 'b':
        return mode(rest);
      case 'q':
        options_.mode = Mode::flush_queue;
        return {};
      case 'I':
        options_.mode = Mode::aliases;
        return {};
      case 't':
        options_.takes_recipients = true;
        return letters(rest);
      case 'i':
        options_.ignores_dots = true;
        return letters(rest);
      case 'v':
        options_.is_verbose = true;
        return letters(rest);
      case 'n':
      case 'm':
      case 's':
      case 'U':
      case 'G':
        return letters(rest);
      case 'f':
      case 'r':
        options_.has_sender = true;
        return value(rest, options_.sender);
      case 'F':
        return value(rest, options_.sender_name);
      case 'C':
        return value(rest, options_.config_file);
      case 'N':
        return value(rest, options_.notify);
      case 'R':
        return value(rest, options_.return_what);
      case 'V':
        return value(rest, options_.envelope_id);
      default:
        break;
    }
    if (letter == 'o' && rest.starts_with('i')) options_.ignores_dots = true;
    if (kPassedOver.find(letter) == std::string_view::npos)
      return fail(ErrorKind::protocol, fmt::format("-{}: unknown option", letter));
    // -o alone takes what is glued to it (-oem, -odb); the others may have their value behind them.
    if (letter == 'o' && !rest.empty()) return {};
    std::string ignored;
    return value(rest, ignored);
  }

  Result<> mode(const std::string& rest) {
    switch (rest.empty() ? '\0' : rest[0]) {
      case 'm':
        options_.mode = Mode::submit;
        return {};
      case 's':
        options_.mode = Mode::smtp;
        return {};
      case 'p':
        options_.mode = Mode::list_queue;
        return {};
      case 'i':
        options_.mode = Mode::aliases;
        return {};
      case 'd':
      case 'D':
      case 'l':
        options_.mode = Mode::daemon;
        return {};
      default:
        return fail(ErrorKind::protocol, fmt::format("-b{}: not a mode of this program", rest));
    }
  }

  Result<> letters(const std::string& rest) {  // "-ti"
    return rest.empty() ? Result<>{} : option(rest[0], rest.substr(1));
  }
  Result<> value(const std::string& rest, std::string& out) {
    if (!rest.empty()) {
      out = rest;
    } else if (at_ + 1 < arguments_.size()) {
      out = arguments_[++at_];
    } else {
      return fail(ErrorKind::protocol, fmt::format("{} needs a value", arguments_[at_]));
    }
    return {};
  }

  const std::vector<std::string>& arguments_;
  std::size_t at_ = 1;
  SendmailOptions options_;
};

Result<message::Notify> parse_notify(std::string_view text) {
  if (text.empty()) return message::Notify{};
  message::Notify notify{.never = false, .success = false, .failure = false, .delay = false};
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string word = message::to_lower(text.substr(at, end - at));
    if (word == "never")
      notify.never = true;
    else if (word == "success")
      notify.success = true;
    else if (word == "failure")
      notify.failure = true;
    else if (word == "delay")
      notify.delay = true;
    else
      return fail(ErrorKind::protocol, fmt::format("-N {}: not understood", text));
    at = end + 1;
  }
  return notify;
}

Result<std::string> read_input(std::uint64_t size_max) {
  std::string text;
  std::vector<char> buffer(64 * 1024);
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", "standard input", errno);
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
    if (text.size() > size_max)
      return fail(ErrorKind::permanent,
                  fmt::format("the message is larger than {} bytes", size_max));
  }
}

// Ends at a lone dot as it comes, so that a person at a terminal can say so.
Result<std::string> read_to_dot(std::uint64_t size_max) {
  std::string text;
  std::size_t line = 0;
  while (true) {
    char c = 0;
    const ssize_t n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", "standard input", errno);
    if (n == 0) return std::string(message::up_to_dot(text));
    text += c;
    if (text.size() > size_max)
      return fail(ErrorKind::permanent,
                  fmt::format("the message is larger than {} bytes", size_max));
    if (c != '\n') continue;
    const std::string_view last = std::string_view(text).substr(line);
    if (last == ".\n" || last == ".\r\n") return text.substr(0, line);
    line = text.size();
  }
}

int status_of(const smtp::Reply& reply) {
  if (reply.is_transient()) return EX_TEMPFAIL;
  if (reply.enhanced.starts_with("5.1.")) return EX_NOUSER;
  if (reply.enhanced.starts_with("5.7.")) return EX_NOPERM;
  return EX_DATAERR;
}

struct Submission {
  net::Address socket;
  std::string hostname;
  message::Envelope envelope;
  std::string text;
  bool is_verbose = false;
};

class Submitter {
 public:
  explicit Submitter(Submission submission) : submission_(std::move(submission)) {}

  int run() {
    net::OwnLoop loop;
    const auto done = loop.run(submit(loop.scope().executor()));
    if (!done) status_ = complain(EX_TEMPFAIL, done.error().what + "; try again later");
    return status_;
  }

 private:
  void note(std::string_view what, const smtp::Reply& reply) {
    if (!reply.is_positive()) {
      status_ = std::max(status_, status_of(reply));
      complain(0, fmt::format("{}: {}", what, smtp::to_string(reply)));
    } else if (submission_.is_verbose) {
      fmt::print("{}: {}\n", what, smtp::to_string(reply));
    }
  }

  // Many programs of one account at a time are more than it is served at once: they come in turn,
  // and whoever called this waits as he would for a disk.
  net::Task<std::unique_ptr<smtp::Client>> open(net::Executor executor) {
    const SteadyTime last = Clock::system().steady_now() + kBusyMax;
    for (auto pause = 50ms;; pause = std::min<std::chrono::milliseconds>(2 * pause, 2s)) {
      auto connected =
          co_await net::connect(executor, submission_.socket, Clock::system().steady_now() + 30s);
      if (!connected)
        co_return fail(ErrorKind::temporary,
                       fmt::format("the server is not running ({})", connected.error().what));
      auto client = std::make_unique<smtp::Client>(
          *std::move(connected), smtp::ClientOptions{.hostname = submission_.hostname},
          Clock::system());
      CO_TRY(const auto opened, co_await client->open());
      if (opened.is_positive()) co_return client;
      if (opened.code != 421 || Clock::system().steady_now() + pause > last)
        co_return fail(ErrorKind::temporary, smtp::to_string(opened));
      client.reset();
      co_await net::sleep(pause);
    }
  }

  net::Task<> submit(net::Executor executor) {
    CO_TRY(const auto opened_client, co_await open(std::move(executor)));
    smtp::Client& client = *opened_client;
    CO_TRY(const auto begun, co_await client.begin(submission_.envelope));
    if (begun.broken) co_return std::unexpected(*begun.broken);
    if (!begun.mail.is_positive()) {
      note("<" + submission_.envelope.sender + ">", begun.mail);
      co_return Result<>{};
    }
    // Whoever can get it gets it; the status tells that somebody did not.
    for (std::size_t i = 0; i < begun.recipients.size(); ++i)
      note("<" + submission_.envelope.recipients[i].address + ">", begun.recipients[i]);
    if (begun.data.code != 354) {
      if (status_ == EX_OK) note("the message", begun.data);
      co_return Result<>{};
    }
    const auto written = co_await client.write(submission_.text);
    if (!written) co_return written;
    CO_TRY(const auto replies, co_await client.finish());
    note("the message", replies.front());
    co_await client.quit();
    co_return Result<>{};
  }

  Submission submission_;
  int status_ = EX_OK;
};

// -bs: the dialog is the caller's; only bytes are carried.
int carry(const net::Address& socket) {
  const File server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = std::get<net::UnixAddress>(socket).path;
  if (path.size() >= sizeof address.sun_path) return complain(EX_CONFIG, path + ": too long");
  std::ranges::copy(path, address.sun_path);
  if (::connect(server.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return complain(EX_TEMPFAIL, fmt::format("the server is not running ({}: {}); try again later",
                                             path, std::strerror(errno)));
  std::vector<char> buffer(64 * 1024);
  const auto pass = [&](int from, int to) {
    const ssize_t n = ::read(from, buffer.data(), buffer.size());
    if (n <= 0) return false;
    for (ssize_t at = 0; at < n;) {
      const ssize_t m = ::write(to, buffer.data() + at, static_cast<std::size_t>(n - at));
      if (m <= 0) return false;
      at += m;
    }
    return true;
  };
  std::array<pollfd, 2> waits = {{{server.fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
  while (true) {
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return EX_OSERR;
    if (waits[0].revents != 0 && !pass(server.fd(), STDOUT_FILENO)) return EX_OK;
    if (waits[1].revents != 0 && !pass(STDIN_FILENO, server.fd())) {
      ::shutdown(server.fd(), SHUT_WR);
      waits[1].fd = -1;
    }
  }
}

struct Person {
  std::string login;
  std::string name;
};

Person find_person() {
  const passwd* entry = ::getpwuid(::getuid());
  if (entry == nullptr) return {fmt::format("uid{}", ::getuid()), {}};
  const std::string_view gecos = entry->pw_gecos == nullptr ? "" : entry->pw_gecos;
  return {message::to_lower(entry->pw_name), std::string(gecos.substr(0, gecos.find(',')))};
}

int submit(const config::Config& config, const SendmailOptions& options) {
  if (options.recipients.empty() && !options.takes_recipients)
    return complain(EX_USAGE, "name a recipient, or -t to take them from the header");
  const auto notify = parse_notify(options.notify);
  if (!notify) return complain(EX_USAGE, notify.error().what);
  const auto text = options.ignores_dots ? read_input(config.smtp.message_max)
                                         : read_to_dot(config.smtp.message_max);
  if (!text) return complain(EX_DATAERR, text.error().what);
  const std::string& domain =
      config.server.default_domain.empty() ? config.server.hostname : config.server.default_domain;
  const Person person = find_person();
  const std::string own = person.login + "@" + domain;
  Submission submission{.socket = process::run_socket(config, "submit.sock"),
                        .hostname = config.server.hostname,
                        .envelope = {},
                        .text = {},
                        .is_verbose = options.is_verbose};
  submission.envelope.sender = own;
  if (options.has_sender) {
    const bool is_nobody = options.sender.empty() || options.sender == "<>";
    std::string sender = is_nobody ? std::string{} : options.sender;
    if (sender.starts_with('<') && sender.ends_with('>'))
      sender = sender.substr(1, sender.size() - 2);
    if (!is_nobody && sender.find('@') == std::string::npos) sender += "@" + domain;
    if (!is_nobody && !message::parse_mailbox_address(sender))
      return complain(EX_DATAERR, fmt::format("-f \"{}\" is no address", options.sender));
    submission.envelope.sender = std::move(sender);
  }
  const std::string& author = submission.envelope.sender.empty() ? own : submission.envelope.sender;
  const bool is_self = author == own;
  auto prepared =
      message::prepare_local_mail({.text = *text,
                                   .recipients = options.recipients,
                                   .takes_recipients = options.takes_recipients,
                                   .sender = author,
                                   .sender_name = !options.sender_name.empty() ? options.sender_name
                                                  : is_self                    ? person.name
                                                                               : std::string{},
                                   .domain = domain});
  if (!prepared) return complain(EX_DATAERR, prepared.error().what);
  if (prepared->recipients.empty()) return complain(EX_USAGE, "no recipients are named");
  for (std::string& recipient : prepared->recipients)
    submission.envelope.recipients.push_back({std::move(recipient), {}, *notify});
  submission.envelope.eight_bit = prepared->is_eight_bit;
  submission.envelope.id = options.envelope_id;
  if (options.return_what == "full") submission.envelope.ret = message::Ret::full;
  if (options.return_what == "hdrs") submission.envelope.ret = message::Ret::headers;
  const auto is_utf8 = [](const std::string& address) {
    return std::ranges::any_of(address, [](char c) { return c < 0; });
  };
  submission.envelope.smtputf8 = is_utf8(submission.envelope.sender);
  for (const message::Recipient& recipient : submission.envelope.recipients)
    submission.envelope.smtputf8 |= is_utf8(recipient.address);
  submission.text = std::move(prepared->text);
  return Submitter(std::move(submission)).run();
}

}  // namespace

Result<SendmailOptions> parse_sendmail_arguments(const std::vector<std::string>& arguments) {
  return Arguments(arguments).parse();
}

int run_sendmail(const std::vector<std::string>& arguments) {
  const auto options = parse_sendmail_arguments(arguments);
  if (!options) return complain(EX_USAGE, options.error().what);
  if (options->mode == Mode::daemon)
    return complain(EX_OK, "the server is started by `posthorn serve`; nothing was done");
  const auto config = find_config(options->config_file);
  if (!config) return complain(EX_CONFIG, config.error().what);
  switch (options->mode) {
    case Mode::smtp:
      return carry(process::run_socket(*config, "submit.sock"));
    case Mode::list_queue:
      return run_queue_tool(*config, {.action = QueueAction::mailq}) == 0 ? EX_OK : EX_TEMPFAIL;
    case Mode::flush_queue:
      return retry_whole_queue(*config) == 0 ? EX_OK : EX_TEMPFAIL;
    case Mode::aliases:
      return reload_server(*config) == 0 ? EX_OK : EX_TEMPFAIL;
    case Mode::submit:
    case Mode::daemon:
      break;
  }
  return submit(*config, *options);
}

}  // namespace posthorn::tools
