// APPEND: a message of the client's into a mailbox. RFC 3501 section 6.3.11, RFC 4315 (UIDPLUS).
// The message goes from the socket to the staged file in pieces; only when it is whole and the
// command's end is there is it put into the mailbox.
#include "imap/server/commands.h"

namespace posthorn::imap {
namespace {

// What stands before the message; nullopt: there is a fault in it.
std::optional<store::Target> parse_target(Parser& parser, const MailboxNames& names) {
  store::Target target;
  auto name = parser.take_space() ? names.take(parser) : std::nullopt;
  if (!name || !parser.take_space()) return std::nullopt;
  target.mailbox = *std::move(name);
  if (parser.peek() == '(') {
    const auto flags = parser.flags();
    if (!flags || !parser.take_space()) return std::nullopt;
    store::FlagNames split = store::split_flags(*flags);
    target.flags = split.flags;
    target.keywords = std::move(split.keywords);
  }
  if (parser.peek() == '"') {
    const auto date = parser.date_time();
    if (!date || !parser.take_space()) return std::nullopt;
    if (date->seconds) target.internal_date = WallTime(std::chrono::seconds(*date->seconds));
  }
  return target;
}

// What can be refused is refused before the client sends megabytes.
net::Awaitable<std::optional<Outcome>> refuse_early(const std::string& mailbox, std::uint64_t size,
                                                    const User& user) {
  if (size == 0) co_return no("An empty message is not taken");
  if (size > user.services.config.smtp.message_max)
    co_return no("The message is larger than the limit", "TOOBIG");
  const auto status = co_await user.account->status(mailbox);
  if (!status) co_return user.failed(status.error());
  if (!*status) co_return no("There is no such mailbox", "TRYCREATE");
  // RFC 9208 section 4.3.
  const auto room = co_await user.account->has_room_for(mailbox, {size, 1}, "imap");
  if (room && !*room) co_return name_outcome(store::NameResult::over_quota);
  co_return std::nullopt;
}

// The whole message is read, also when it cannot be written any more: what it failed with.
net::Task<std::optional<Outcome>> read_message(Connection& connection, std::uint64_t size,
                                               store::Delivery& delivery, const User& user) {
  std::optional<Outcome> refused;
  for (std::uint64_t left = size; left > 0;) {
    CO_TRY(const std::string_view piece, co_await connection.peek_literal(left));
    if (!refused) {
      const auto written = co_await delivery.write(piece);
      if (!written) refused = user.failed(written.error());
    }
    left -= piece.size();
    connection.input().consume(piece.size());
  }
  co_return refused;
}

}  // namespace

net::Task<Outcome> append(Parser& parser, Connection& connection, const User& user) {
  std::string announced(parser.rest());
  auto target = parse_target(parser, user.names());
  const auto mark = find_literal_mark(parser.rest());
  if (!target || !mark || parser.peek() != '{') {
    CO_TRY_OK(co_await connection.skip_rest(std::move(announced)));
    co_return bad("APPEND needs a mailbox, and a message as a literal");
  }
  auto refused = co_await refuse_early(target->mailbox, mark->size, user);
  store::DeliveryPtr delivery;
  if (!refused) {
    auto begun = co_await user.account->begin_delivery();
    if (begun)
      delivery = *std::move(begun);
    else
      refused = user.failed(begun.error());
  }
  if (refused) {
    CO_TRY_OK(co_await connection.skip_rest(std::move(announced)));
    co_return *std::move(refused);
  }
  if (mark->synchronizing) CO_TRY_OK(co_await connection.answer("+ OK\r\n"));
  CO_TRY(refused, co_await read_message(connection, mark->size, *delivery, user));
  CO_TRY(std::string end, co_await connection.read_line());
  if (!Parser(end).at_end()) {
    CO_TRY_OK(co_await connection.skip_rest(std::move(end)));
    if (!refused) refused = bad("One message at a time");
  }
  if (refused) co_return *std::move(refused);
  std::vector<store::Target> targets;
  targets.push_back(*std::move(target));
  CO_TRY(const auto placed, co_await delivery->commit(std::move(targets)));
  const store::Placed& place = placed.front();
  if (place.result != store::NameResult::done) co_return name_outcome(place.result, "TRYCREATE");
  if (place.uid != 0)
    co_await user.tell_observers(
        {.cause = Cause::append, .mailbox = place.mailbox, .uids = {place.uid}});
  // RFC 4315 section 3: the code names a UID that is. Where the message is safe and its UID is not
  // yet, the client asks for it.
  co_return ok("Append completed",
               place.uid != 0 ? fmt::format("APPENDUID {} {}", place.uidvalidity, place.uid) : "");
}

}  // namespace posthorn::imap
