#include "smtp/client/client.h"

#include <fmt/format.h>

#include "auth/proto/sasl.h"
#include "base/ascii.h"
#include "base/base64.h"
#include "message/headers.h"
#include "smtp/proto/command.h"

namespace posthorn::smtp {
namespace {

constexpr std::size_t kLineMax = 8192;
constexpr std::size_t kOutMax = 65'536;

}  // namespace

Client::Client(net::StreamPtr stream, ClientOptions options, const Clock& clock)
    : stream_(std::move(stream)), options_(std::move(options)), clock_(clock) {}

net::Task<Reply> Client::read_reply(std::chrono::milliseconds timeout) {
  const SteadyTime deadline =
      clock_.steady_now() + timeout;  // for the whole reply, not for each byte
  ReplyParser parser;
  while (true) {
    if (const auto line = in_.take_line()) {
      CO_TRY(auto reply, parser.feed(*line));
      if (reply) co_return *std::move(reply);
      continue;
    }
    if (in_.data().size() > kLineMax) co_return fail(ErrorKind::protocol, "an endless reply");
    CO_TRY_OK(co_await in_.fill(*stream_, deadline, 4096));
  }
}

net::Task<> Client::send(std::string_view bytes) {
  co_return co_await stream_->write(bytes, clock_.steady_now() + options_.command_timeout);
}

net::Task<Reply> Client::command(std::string line) {
  line += "\r\n";
  CO_TRY_OK(co_await send(line));
  co_return co_await read_reply(options_.command_timeout);
}

net::Task<Reply> Client::open() {
  CO_TRY(auto greeting, co_await read_reply(options_.command_timeout));
  if (!greeting.is_done()) co_return greeting;
  co_return co_await hello();
}

net::Task<Reply> Client::hello() {
  extensions_ = {};
  CO_TRY(auto reply, co_await command((options_.lmtp ? "LHLO " : "EHLO ") + options_.hostname));
  if (reply.is_permanent() && !options_.lmtp) {
    CO_TRY(reply, co_await command("HELO " + options_.hostname));
  }
  if (reply.is_positive()) read_extensions(reply);
  co_return reply;
}

void Client::read_extensions(const Reply& reply) {
  std::string_view text = reply.text;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string line = message::to_lower(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string word = line.substr(0, line.find_first_of(" ="));
    if (word == "pipelining") extensions_.pipelining = true;
    if (word == "8bitmime") extensions_.eight_bit = true;
    if (word == "smtputf8") extensions_.smtputf8 = true;
    if (word == "size") extensions_.size = true;
    if (word == "dsn") extensions_.dsn = true;
    if (word == "starttls") extensions_.starttls = true;
    if (word == "xforward") extensions_.xforward = true;
    if (word == "auth") {
      const std::string mechanisms = line + " ";
      extensions_.auth_plain |= mechanisms.find("plain ") != std::string::npos;
      extensions_.auth_login |= mechanisms.find("login ") != std::string::npos;
    }
  }
}

net::Task<Reply> Client::start_tls(const net::TlsClient& tls, const std::string& name) {
  CO_TRY(auto reply, co_await command("STARTTLS"));
  if (!reply.is_done()) co_return reply;
  if (!in_.empty())
    co_return fail(ErrorKind::protocol, "the server sent something behind its reply to STARTTLS");
  const auto secured =
      co_await stream_->start_tls(tls, name, clock_.steady_now() + options_.command_timeout);
  handshake_failed_ = !secured;
  CO_TRY_OK(secured);
  co_return co_await hello();
}

net::Task<Reply> Client::login(const std::string& user, const std::string& password) {
  // A password goes only where it was asked for, in a way that was offered.
  if (!extensions_.auth_plain && !extensions_.auth_login)
    co_return fail(ErrorKind::temporary, "the server offers neither AUTH PLAIN nor AUTH LOGIN");
  if (extensions_.auth_plain)
    co_return co_await command("AUTH PLAIN " + auth::plain_response(user, password));
  CO_TRY(auto reply, co_await command("AUTH LOGIN"));
  if (reply.code != 334) co_return reply;
  CO_TRY(reply, co_await command(encode_base64(user)));
  if (reply.code != 334) co_return reply;
  co_return co_await command(encode_base64(password));
}

std::string Client::mail_line(const message::Envelope& envelope) const {
  std::string line = "MAIL FROM:<" + message::strict_address(envelope.sender) + ">";
  if (extensions_.size && envelope.declared_size > 0)
    line += fmt::format(" SIZE={}", envelope.declared_size);
  if (extensions_.eight_bit && envelope.eight_bit) line += " BODY=8BITMIME";
  if (extensions_.smtputf8 && envelope.smtputf8) line += " SMTPUTF8";
  if (extensions_.dsn && envelope.ret != message::Ret::unset)
    line += envelope.ret == message::Ret::full ? " RET=FULL" : " RET=HDRS";
  if (extensions_.dsn && !envelope.id.empty()) line += " ENVID=" + encode_xtext(envelope.id);
  if (options_.is_inner && !envelope.token.empty())
    line += " XTOKEN=" + encode_xtext(envelope.token);
  return line + "\r\n";
}

std::string Client::rcpt_line(const message::Recipient& recipient) const {
  std::string line = "RCPT TO:<" + message::strict_address(recipient.address) + ">";
  if (extensions_.dsn) {
    if (recipient.notify != message::Notify{}) {
      std::string words;
      for (const auto& [on, word] :
           {std::pair{recipient.notify.never, "NEVER"},
            {recipient.notify.success, "SUCCESS"},
            {recipient.notify.failure && !recipient.notify.never, "FAILURE"},
            {recipient.notify.delay && !recipient.notify.never, "DELAY"}})
        if (on) words += (words.empty() ? "" : ",") + std::string(word);
      if (!words.empty()) line += " NOTIFY=" + words;
    }
    const std::size_t semicolon = recipient.original.find(';');
    if (semicolon != std::string::npos)
      line += " ORCPT=" + recipient.original.substr(0, semicolon + 1) +
              encode_xtext(recipient.original.substr(semicolon + 1));
  }
  if (options_.is_inner && !recipient.named.empty())
    line += " XNAMED=" + encode_xtext(recipient.named);
  return line + "\r\n";
}

// XFORWARD, MAIL and RCPT, with what was said to them.
net::Task<Client::Begun> Client::name_envelope(const message::Envelope& envelope) {
  Begun begun;
  last_ = '\n';
  accepted_ = 0;
  was_named_ = false;
  const message::Origin& origin = envelope.origin;
  bool needs_utf8 = !is_ascii(envelope.sender);
  for (const message::Recipient& recipient : envelope.recipients)
    needs_utf8 |= !is_ascii(recipient.address);
  if (needs_utf8 && !extensions_.smtputf8) {
    // RFC 6531 section 3.5: such an address cannot go to a server that does not know it.
    begun.mail = {550, "5.6.7", "The next server does not take addresses in UTF-8"};
    co_return begun;
  }
  was_named_ = true;
  std::vector<std::string> lines;
  if (options_.is_inner && extensions_.xforward)
    lines.push_back(fmt::format(
        "XFORWARD NAME={} ADDR={} PROTO={} HELO={} IDENT={}{}{}\r\n",
        encode_xtext(origin.client_name), encode_xtext(origin.client_address),
        encode_xtext(origin.protocol), encode_xtext(origin.helo), encode_xtext(origin.session),
        origin.queue_id.empty() ? "" : " QUEUE=", encode_xtext(origin.queue_id)));
  const std::size_t first = lines.size();
  lines.push_back(mail_line(envelope));
  for (const message::Recipient& recipient : envelope.recipients)
    lines.push_back(rcpt_line(recipient));
  std::vector<Reply> replies;
  const auto exchanged = co_await exchange(lines, first, replies);
  if (replies.size() <= first)
    co_return exchanged ? fail(ErrorKind::protocol, "no reply to MAIL")
                        : std::unexpected(exchanged.error());
  begun.mail = replies[first];
  begun.recipients.assign(replies.begin() + static_cast<std::ptrdiff_t>(first) + 1, replies.end());
  for (const Reply& reply : begun.recipients) accepted_ += reply.is_done() ? 1 : 0;
  if (!exchanged) begun.broken = exchanged.error();
  co_return begun;
}

net::Task<Client::Begun> Client::begin(const message::Envelope& envelope) {
  CO_TRY(auto begun, co_await name_envelope(envelope));
  if (begun.broken || !was_named_) co_return begun;
  auto next = !begun.mail.is_done() || accepted_ == 0 ? co_await reset() : co_await command("DATA");
  if (!next)
    begun.broken = next.error();
  else if (begun.mail.is_done() && accepted_ > 0)
    begun.data = *std::move(next);
  co_return begun;
}

net::Task<Client::Begun> Client::rehearse(const message::Envelope& envelope) {
  CO_TRY(auto begun, co_await name_envelope(envelope));
  if (begun.broken || !was_named_) co_return begun;
  if (const auto reset = co_await this->reset(); !reset) begun.broken = reset.error();
  co_return begun;
}

// The replies as far as they came; an Error where they broke off. mail: which line is MAIL.
net::Task<> Client::exchange(const std::vector<std::string>& lines, std::size_t mail,
                             std::vector<Reply>& replies) {
  // In groups, so that neither side's buffers fill up while the other writes (RFC 2920
  // section 3.1).
  const std::size_t together = extensions_.pipelining ? 100 : 1;
  for (std::size_t begin = 0; begin < lines.size(); begin += together) {
    std::string group;
    const std::size_t end = std::min(lines.size(), begin + together);
    for (std::size_t i = begin; i < end; ++i) group += lines[i];
    CO_TRY_OK(co_await send(group));
    for (std::size_t i = begin; i < end; ++i) {
      CO_TRY(auto reply, co_await read_reply(options_.command_timeout));
      replies.push_back(std::move(reply));
    }
    if (replies.size() > mail && !replies[mail].is_done()) break;
  }
  co_return Result<>{};
}

net::Task<> Client::write(std::string_view piece) {
  // Runs of whole lines go on as they are; only a dot at a line's beginning and stray line ends
  // need a hand.
  std::size_t begin = 0;
  const auto keep = [&](std::size_t end) { out_.append(piece, begin, end - begin); };
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const char c = piece[i];
    const char before = i > 0 ? piece[i - 1] : last_;
    if (before == '\r' && c != '\n') {  // a CR that ended nothing: it ends a line now
      keep(i);
      begin = i;
      out_ += '\n';
      if (c == '.') out_ += '.';
      continue;
    }
    if (c == '\n' && before != '\r') {
      keep(i);
      begin = i;
      out_ += '\r';
    } else if (c == '.' && before == '\n') {
      keep(i);
      begin = i;
      out_ += '.';
    }
  }
  keep(piece.size());
  if (!piece.empty()) last_ = piece.back();
  if (out_.size() < kOutMax) co_return Result<>{};
  const std::string bytes = std::exchange(out_, {});
  co_return co_await stream_->write(bytes, clock_.steady_now() + options_.data_timeout);
}

net::Task<std::vector<Reply>> Client::finish() {
  if (last_ == '\r')
    out_ += '\n';
  else if (last_ != '\n')
    out_ += "\r\n";
  out_ += ".\r\n";
  const std::string bytes = std::exchange(out_, {});
  CO_TRY_OK(co_await stream_->write(bytes, clock_.steady_now() + options_.data_timeout));
  std::vector<Reply> replies;
  const std::size_t expected = options_.lmtp ? accepted_ : 1;
  while (replies.size() < expected) {
    auto reply = co_await read_reply(options_.data_timeout);
    if (!reply && replies.empty()) co_return std::unexpected(reply.error());
    if (!reply) break;  // those that were told are told
    replies.push_back(*std::move(reply));
  }
  co_return replies;
}

net::Task<Reply> Client::last_words() {
  co_return co_await read_reply(std::min<std::chrono::milliseconds>(1s, options_.command_timeout));
}

net::Task<Reply> Client::reset() {
  co_return co_await command("RSET");
}

net::Awaitable<void> Client::quit() {
  const auto patience = std::min<std::chrono::milliseconds>(2s, options_.command_timeout);
  (void)co_await stream_->write("QUIT\r\n", clock_.steady_now() + patience);
  (void)co_await read_reply(patience);
  (void)co_await stream_->shut_down(clock_.steady_now() + 1s);
}

}  // namespace posthorn::smtp
