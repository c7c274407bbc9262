// APPEND: a message of the client's into a mailbox. RFC 3501 section 6.3.11, RFC 4315 (UIDPLUS).
#include <fmt/format.h>

#include "imap/server/session_impl.h"

namespace posthorn::imap {

net::Task<> Session::skip_literal(std::uint64_t size) {
  while (size > 0) {
    if (in_.empty())
      CO_TRY_OK(co_await in_.fill(
          *stream_, Clock::system().steady_now() + services_.config.imap.literal_timeout, 65'536));
    const std::size_t n =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, in_.data().size()));
    in_.consume(n);
    size -= n;
  }
  co_return Result<>{};
}

// RFC 7888 section 4: what a refused command still brings is read away, or it would be carried out
// as commands. line: the last one that was read; a literal that it announces follows, and a line
// behind that one, unless the client waits to be asked for it.
net::Task<> Session::skip_rest(std::string line) {
  for (auto mark = find_literal_mark(line); mark && !mark->synchronizing;
       mark = find_literal_mark(line)) {
    if (mark->size > skipped_max()) {
      CO_TRY_OK(co_await answer("* BYE [TOOBIG] The literal is too long\r\n"));
      co_return fail(ErrorKind::protocol, "a literal too long");
    }
    CO_TRY_OK(co_await skip_literal(mark->size));
    CO_TRY(line, co_await read_line(Clock::system().steady_now() +
                                    services_.config.imap.literal_timeout));
  }
  co_return Result<>{};
}

// RFC 3501 section 6.3.11. The message goes from the socket to the staged file in pieces; only when
// it is whole and the command's end is there is it put into the mailbox.
net::Task<> Session::append(const std::string& tag, std::string text) {
  Parser parser(text);
  (void)parser.tag();
  (void)parser.take_space();
  (void)parser.take_word("APPEND");
  std::optional<std::string> name;
  if (parser.take_space()) name = mailbox_name(parser);
  store::FlagNames split;
  store::Target target;
  bool good = name && parser.take_space();
  if (good && parser.peek() == '(') {
    const auto names = parser.flags();
    good = names && parser.take_space();
    if (names) split = store::split_flags(*names);
  }
  if (good && parser.peek() == '"') {
    const auto date = parser.date_time();
    good = date && parser.take_space();
    if (date && date->seconds)
      target.internal_date = WallTime(std::chrono::seconds(*date->seconds));
  }
  const auto mark = find_literal_mark(text);
  if (!good || !mark || parser.peek() != '{') {
    CO_TRY_OK(co_await skip_rest(std::move(text)));
    co_return co_await finish(tag, bad("APPEND needs a mailbox, and a message as a literal"));
  }
  target.mailbox = *name;
  target.flags = split.flags;
  target.keywords = std::move(split.keywords);

  // What can be refused is refused before the client sends megabytes.
  std::optional<Outcome> refused;
  if (mark->size > services_.config.smtp.message_max)
    refused = no("The message is larger than the limit", "TOOBIG");
  if (mark->size == 0) refused = no("An empty message is not taken");
  if (!refused) {
    const auto status = co_await account_->status(*name);
    if (!status)
      refused = failed(status.error());
    else if (!*status)
      refused = no("There is no such mailbox", "TRYCREATE");
  }
  // RFC 9208 section 4.3.
  if (!refused) {
    const auto room = co_await account_->has_room_for(*name, {mark->size, 1}, "imap");
    if (room && !*room) refused = name_outcome(store::NameResult::over_quota, true);
  }
  store::DeliveryPtr delivery;
  if (!refused) {
    auto begun = co_await account_->begin_delivery();
    if (begun)
      delivery = *std::move(begun);
    else
      refused = failed(begun.error());
  }
  if (refused) {
    CO_TRY_OK(co_await skip_rest(std::move(text)));
    co_return co_await finish(tag, *refused);
  }
  if (mark->synchronizing) CO_TRY_OK(co_await answer("+ OK\r\n"));
  std::uint64_t left = mark->size;
  while (left > 0) {
    if (in_.empty())
      CO_TRY_OK(co_await in_.fill(
          *stream_, Clock::system().steady_now() + services_.config.imap.literal_timeout, 65'536));
    const std::string_view piece = in_.data().substr(
        0, static_cast<std::size_t>(std::min<std::uint64_t>(left, in_.data().size())));
    if (!refused) {
      const auto written = co_await delivery->write(piece);
      if (!written) refused = failed(written.error());
    }
    left -= piece.size();
    in_.consume(piece.size());
  }
  CO_TRY(std::string end,
         co_await read_line(Clock::system().steady_now() + services_.config.imap.literal_timeout));
  if (!Parser(end).at_end()) {
    CO_TRY_OK(co_await skip_rest(std::move(end)));
    if (!refused) refused = bad("One message at a time");
  }
  if (refused) co_return co_await finish(tag, *refused);
  std::vector<store::Target> targets;
  targets.push_back(std::move(target));
  const auto placed = co_await delivery->commit(std::move(targets));
  if (!placed) co_return co_await finish(tag, failed(placed.error()));
  const store::Placed& place = placed->front();
  if (place.result != store::NameResult::done)
    co_return co_await finish(tag, name_outcome(place.result, true));
  if (view_) co_await tell_changes(store::ExpungeMode::allowed);
  // RFC 4315 section 3: the code names a UID that is. Where the message is safe and its UID is not
  // yet, the client asks for it.
  co_return co_await finish(
      tag, ok("Append completed",
              place.uid != 0 ? fmt::format("APPENDUID {} {}", place.uidvalidity, place.uid) : ""));
}

}  // namespace posthorn::imap
