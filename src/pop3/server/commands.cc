// The commands of the TRANSACTION state, and UPDATE (RFC 1939 sections 5 to 7).
#include <algorithm>
#include <fmt/format.h>

#include "base/metrics.h"
#include "pop3/proto/answer.h"
#include "pop3/server/session_impl.h"
#include "store/line_ends.h"

namespace posthorn::pop3 {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

net::Task<> Session::answer(const Command& command) {
  switch (command.verb) {
    case Verb::capa:
      capa();
      break;
    case Verb::stat:
      stat();
      break;
    case Verb::list:
      co_return co_await list(command.number);
    case Verb::uidl:
      co_return co_await uidl(command.number);
    case Verb::retr:
      if (Item* item = find(command.number.value_or(0)))
        co_return co_await send(*item, std::nullopt);
      break;
    case Verb::top:
      if (Item* item = find(command.number.value_or(0)))
        co_return co_await send(*item, command.lines);
      break;
    case Verb::dele:
      dele(command.number.value_or(0));
      break;
    case Verb::rset:
      rset();
      break;
    case Verb::quit:
      co_return co_await quit();
    default:
      out_ += "+OK\r\n";
  }
  co_return Result<>{};
}

// RFC 2449 section 3: in both states. What is only for before the login is not in it any more.
void Session::capa() {
  out_ +=
      "+OK What this server can do\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\n"
      "UTF8 USER\r\nEXPIRE NEVER\r\nIMPLEMENTATION Posthorn\r\n.\r\n";
}

// Messages that are marked as deleted count no more (RFC 1939 section 5).
Session::Total Session::total() const {
  Total all;
  for (const Item& item : items_) {
    if (item.is_deleted) continue;
    ++all.messages;
    all.octets += item.size;
  }
  return all;
}

void Session::stat() {
  const Total all = total();
  out_ += fmt::format("+OK {} {}\r\n", all.messages, all.octets);
}

Item* Session::find(std::uint64_t number) {
  if (number == 0 || number > items_.size()) {
    out_ += "-ERR There is no such message\r\n";
    return nullptr;
  }
  Item& item = items_[static_cast<std::size_t>(number - 1)];
  if (!item.is_deleted) return &item;
  out_ += "-ERR The message is marked as deleted\r\n";
  return nullptr;
}

net::Task<> Session::list(std::optional<std::uint64_t> number) {
  if (number) {
    if (const Item* item = find(*number)) out_ += fmt::format("+OK {} {}\r\n", *number, item->size);
    co_return Result<>{};
  }
  const Total all = total();
  out_ += fmt::format("+OK {} messages ({} octets)\r\n", all.messages, all.octets);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].is_deleted) continue;
    out_ += fmt::format("{} {}\r\n", i + 1, items_[i].size);
    CO_TRY_OK(co_await flush_if_large());
  }
  out_ += ".\r\n";
  co_return Result<>{};
}

net::Task<> Session::uidl(std::optional<std::uint64_t> number) {
  const std::uint32_t validity = view_->mailbox().uidvalidity();
  if (number) {
    if (const Item* item = find(*number))
      out_ += fmt::format("+OK {} {}\r\n", *number, format_uidl(item->uid, validity));
    co_return Result<>{};
  }
  out_ += "+OK\r\n";
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].is_deleted) continue;
    out_ += fmt::format("{} {}\r\n", i + 1, format_uidl(items_[i].uid, validity));
    CO_TRY_OK(co_await flush_if_large());
  }
  out_ += ".\r\n";
  co_return Result<>{};
}

void Session::dele(std::uint64_t number) {
  Item* item = find(number);
  if (item == nullptr) return;
  item->is_deleted = true;
  out_ += "+OK The message goes at QUIT\r\n";
}

void Session::rset() {
  for (Item& item : items_) item.is_deleted = false;
  const Total all = total();
  out_ += fmt::format("+OK {} messages ({} octets)\r\n", all.messages, all.octets);
}

// RETR, or TOP when body_lines says how many.
net::Task<> Session::send(Item& item, std::optional<std::uint64_t> body_lines) {
  const auto opened = co_await view_->mailbox().open_message(item.uid);
  if (!opened) {
    failed(opened.error());
    co_return Result<>{};
  }
  if (!*opened) {
    // Another session or program removed it. The numbers stay.
    out_ += "-ERR The message was removed meanwhile\r\n";
    co_return Result<>{};
  }
  const store::OpenMessage& message = **opened;
  item.size = message.wire_size;
  if (body_lines) {
    out_ += "+OK\r\n";
  } else {
    out_ += fmt::format("+OK {} octets\r\n", message.wire_size);
  }
  CO_TRY_OK(co_await send_pieces(message, body_lines));
  if (!body_lines) {
    ++retrieved_;
    metrics::count(metric::pop3_messages, "retrieved");
    item.is_retrieved = true;
  }
  co_return Result<>{};
}

// From the file to the socket, a piece at a time. When reading fails in the middle the connection
// ends without the last dot: nobody may take a part for the whole, and delete it.
net::Task<> Session::send_pieces(const store::OpenMessage& message,
                                 std::optional<std::uint64_t> body_lines) {
  store::CrlfReader reader(message.file, 0, message.size);
  std::optional<TopCut> cut;
  if (body_lines) cut.emplace(*body_lines);
  DotStuffer stuffer;
  std::string piece;
  std::uint64_t left = message.wire_size;
  while (left > 0 && !(cut && cut->is_done())) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
    const auto n = co_await services_.pool.run([&] { return reader.read(piece); });
    if (!n || *n == 0) {
      const std::string reason = n ? "a message became shorter while it was sent" : n.error().what;
      log_.error(event::pop3_failed, {{"account", account_->name()}, {"error", reason}});
      (void)co_await flush();
      co_return fail(ErrorKind::closed, reason);
    }
    left -= *n;
    const auto part = std::string_view(piece).substr(0, *n);
    stuffer.feed(cut ? cut->take(part) : part, out_);
    CO_TRY_OK(co_await flush_if_large());
  }
  stuffer.finish(out_);
  co_return Result<>{};
}

void Session::failed(const Error& error) {
  log_.error(event::pop3_failed, {{"account", account_->name()}, {"error", error.what}});
  out_ += "-ERR [SYS/TEMP] It could not be done now; try again later\r\n";
}

// RFC 1939 section 6: the UPDATE state. What could not be removed stays, and the client hears it.
net::Task<> Session::quit() {
  over_ = true;
  const auto updated = co_await update();
  if (updated) {
    out_ += "+OK Bye\r\n";
  } else {
    log_.error(event::pop3_failed,
               {{"account", account_->name()}, {"error", updated.error().what}});
    out_ += "-ERR [SYS/TEMP] Some deleted messages were not removed\r\n";
  }
  co_return Result<>{};
}

net::Task<> Session::update() {
  std::vector<store::Uid> deleted;
  store::FlagRequest read;
  for (const Item& item : items_) {
    if (item.is_deleted)
      deleted.push_back(item.uid);
    else if (item.is_retrieved && services_.config.mark_seen)
      read.uids.push_back(item.uid);
  }
  if (!deleted.empty()) {
    CO_TRY(const bool all, co_await remove(std::move(deleted)));
    if (!all) co_return fail(ErrorKind::temporary, "a message could not be removed");
  }
  if (!read.uids.empty()) {
    read.flags = store::flag::seen;
    // Only a mark: the client has no use for its failure.
    const auto marked = co_await view_->mailbox().store_flags(std::move(read));
    if (!marked)
      log_.error(event::pop3_failed,
                 {{"account", account_->name()}, {"error", marked.error().what}});
  }
  co_return Result<>{};
}

// Those that are there still; false: some are yet. A mark that did not lead to a removal is taken
// back, so that nothing is half deleted for IMAP.
net::Task<bool> Session::remove(std::vector<store::Uid> uids) {
  store::Mailbox& mailbox = view_->mailbox();
  CO_TRY(const auto marked,
         co_await mailbox.store_flags({.uids = uids, .flags = store::flag::deleted}));
  const auto gone = co_await mailbox.expunge(uids);
  if (gone) {
    removed_ += gone->size();
    metrics::count(metric::pop3_messages, "deleted", "", static_cast<std::int64_t>(gone->size()));
  }
  store::FlagRequest back{.mode = store::FlagMode::remove, .flags = store::flag::deleted};
  for (const store::FlagChange& change : marked.messages)
    if (change.is_changed && mailbox.find(change.uid) != nullptr) back.uids.push_back(change.uid);
  const bool all =
      std::ranges::none_of(uids, [&](store::Uid uid) { return mailbox.find(uid) != nullptr; });
  if (!back.uids.empty()) (void)co_await mailbox.store_flags(std::move(back));
  if (!gone) co_return std::unexpected(gone.error());
  co_return all;
}

}  // namespace posthorn::pop3
