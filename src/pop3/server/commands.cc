#include "pop3/server/commands.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/assert.h"
#include "base/events.h"
#include "pop3/proto/answer.h"
#include "store/line_ends.h"

namespace posthorn::pop3 {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

void say_failed(const Context& context, const Error& error, std::string_view text) {
  context.log.error(event::pop3_failed, {{"account", context.account}, {"error", error.what}});
  context.out.text() += fmt::format("-ERR [SYS/TEMP] {}\r\n", text);
}

// The message of a number; nullptr: there is none, and the client was told.
Item* find(const Context& context, std::uint64_t number) {
  const auto found = context.maildrop.find(number);
  if (found) return *found;
  context.out.text() += fmt::format("-ERR {}\r\n", found.error().text);
  return nullptr;
}

// RFC 2449 section 3: in both states. What is only for before the login is not in it any more.
net::Task<> capa(const Command&, const Context& context) {
  context.out.text() +=
      "+OK What this server can do\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
      "UTF8 USER\r\nEXPIRE NEVER\r\nIMPLEMENTATION Posthorn\r\n.\r\n";
  co_return Result<>{};
}

net::Task<> noop(const Command&, const Context& context) {
  context.out.text() += "+OK\r\n";
  co_return Result<>{};
}

net::Task<> stat(const Command&, const Context& context) {
  const Maildrop::Total all = context.maildrop.total();
  context.out.text() += fmt::format("+OK {} {}\r\n", all.messages, all.octets);
  co_return Result<>{};
}

// LIST and UIDL: a line for one message, or a line for each. describe(item): what stands behind the
// number.
template <class Describe>
net::Task<> tell_each(const Command& command, const Context& context, std::string first,
                      Describe describe) {
  std::string& out = context.out.text();
  if (command.number) {
    if (const Item* item = find(context, *command.number))
      out += fmt::format("+OK {} {}\r\n", *command.number, describe(*item));
    co_return Result<>{};
  }
  out += first;
  std::size_t number = 0;
  for (const Item& item : context.maildrop.items()) {
    ++number;
    if (item.is_deleted) continue;
    out += fmt::format("{} {}\r\n", number, describe(item));
    CO_TRY_OK(co_await context.out.flush_if_large());
  }
  out += ".\r\n";
  co_return Result<>{};
}

net::Task<> list(const Command& command, const Context& context) {
  return tell_each(command, context, format_total(context.maildrop),
                   [](const Item& item) { return item.size; });
}

net::Task<> uidl(const Command& command, const Context& context) {
  return tell_each(command, context, "+OK\r\n",
                   [validity = context.maildrop.uidvalidity()](const Item& item) {
                     return format_uidl(item.uid, validity);
                   });
}

net::Task<> dele(const Command& command, const Context& context) {
  if (Item* item = find(context, command.number.value_or(0))) {
    item->is_deleted = true;
    context.out.text() += "+OK The message goes at QUIT\r\n";
  }
  co_return Result<>{};
}

net::Task<> rset(const Command&, const Context& context) {
  context.maildrop.unmark_all();
  context.out.text() += format_total(context.maildrop);
  co_return Result<>{};
}

// From the file to the socket, a piece at a time. When reading fails in the middle the connection
// ends without the last dot: nobody may take a part for the whole, and delete it.
net::Task<> send_pieces(const Context& context, const store::OpenMessage& message,
                        std::optional<std::uint64_t> body_lines) {
  store::CrlfReader reader(message.file, 0, message.size);
  std::optional<TopCut> cut;
  if (body_lines) cut.emplace(*body_lines);
  DotStuffer stuffer;
  std::string piece;
  std::uint64_t left = message.wire_size;
  while (left > 0 && !(cut && cut->is_done())) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
    const auto n = co_await context.pool.run([&] { return reader.read(piece); });
    if (!n || *n == 0) {
      const std::string reason = n ? "a message became shorter while it was sent" : n.error().what;
      context.log.error(event::pop3_failed, {{"account", context.account}, {"error", reason}});
      (void)co_await context.out.flush();
      co_return fail(ErrorKind::closed, reason);
    }
    left -= *n;
    const auto part = std::string_view(piece).substr(0, *n);
    stuffer.feed(cut ? cut->take(part) : part, context.out.text());
    CO_TRY_OK(co_await context.out.flush_if_large());
  }
  stuffer.finish(context.out.text());
  co_return Result<>{};
}

// RETR, or TOP when body_lines says how many.
net::Task<> send(const Command& command, const Context& context,
                 std::optional<std::uint64_t> body_lines) {
  Item* item = find(context, command.number.value_or(0));
  if (item == nullptr) co_return Result<>{};
  const auto opened = co_await context.maildrop.open_message(*item);
  if (!opened) {
    say_failed(context, opened.error(), "It could not be done now; try again later");
    co_return Result<>{};
  }
  if (!*opened) {
    context.out.text() += "-ERR The message was removed meanwhile\r\n";
    co_return Result<>{};
  }
  const store::OpenMessage& message = **opened;
  item->size = message.wire_size;
  context.out.text() +=
      body_lines ? std::string("+OK\r\n") : fmt::format("+OK {} octets\r\n", message.wire_size);
  CO_TRY_OK(co_await send_pieces(context, message, body_lines));
  if (!body_lines) context.maildrop.note_retrieved(*item);
  co_return Result<>{};
}

net::Task<> retr(const Command& command, const Context& context) {
  return send(command, context, std::nullopt);
}

net::Task<> top(const Command& command, const Context& context) {
  return send(command, context, command.lines);
}

// RFC 1939 section 6: the UPDATE state. What could not be removed stays, and the client hears it.
net::Task<> quit(const Command&, const Context& context) {
  const auto updated = co_await context.maildrop.update(context.retrieved, context.log);
  if (updated)
    context.out.text() += "+OK Bye\r\n";
  else
    say_failed(context, updated.error(), "Some deleted messages were not removed");
  co_return Result<>{};
}

struct Row {
  Verb verb;
  net::Task<> (*run)(const Command& command, const Context& context);
};

constexpr Row kRows[] = {
    {Verb::capa, capa}, {Verb::noop, noop}, {Verb::stat, stat}, {Verb::list, list},
    {Verb::uidl, uidl}, {Verb::retr, retr}, {Verb::top, top},   {Verb::dele, dele},
    {Verb::rset, rset}, {Verb::quit, quit},
};

}  // namespace

std::string format_total(const Maildrop& maildrop) {
  const Maildrop::Total all = maildrop.total();
  return fmt::format("+OK {} messages ({} octets)\r\n", all.messages, all.octets);
}

net::Task<> answer(const Command& command, Context context) {
  const auto row = std::ranges::find(kRows, command.verb, &Row::verb);
  ASSERT(row != std::end(kRows));  // parse_command() lets no other through in this state
  co_return co_await row->run(command, context);
}

}  // namespace posthorn::pop3
