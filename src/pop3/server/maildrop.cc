#include "pop3/server/maildrop.h"

#include <algorithm>

#include "base/events.h"
#include "base/metrics.h"

namespace posthorn::pop3 {

net::Task<Maildrop> Maildrop::open(store::Account& account) {
  CO_TRY(auto view, co_await account.open_view("INBOX", store::Access::read_only));
  if (!view) co_return fail(ErrorKind::temporary, "there is no INBOX");
  store::Mailbox& mailbox = view->mailbox();
  std::vector<store::Uid> unknown;
  for (const store::Entry& entry : mailbox.entries())
    if (entry.wire_size == 0) unknown.push_back(entry.uid);
  if (!unknown.empty()) CO_TRY_OK(co_await mailbox.load_sizes(std::move(unknown)));
  Maildrop maildrop(std::move(view));
  maildrop.items_.reserve(mailbox.entries().size());
  for (const store::Entry& entry : mailbox.entries())
    maildrop.items_.push_back({.uid = entry.uid, .size = entry.wire_size});
  maildrop.pass_over_changes();
  co_return maildrop;
}

std::expected<Item*, Fault> Maildrop::find(std::uint64_t number) {
  if (number == 0 || number > items_.size())
    return std::unexpected(Fault{"There is no such message"});
  Item& item = items_[static_cast<std::size_t>(number - 1)];
  if (item.is_deleted) return std::unexpected(Fault{"The message is marked as deleted"});
  return &item;
}

Maildrop::Total Maildrop::total() const {
  Total all;
  for (const Item& item : items_) {
    if (item.is_deleted) continue;
    ++all.messages;
    all.octets += item.size;
  }
  return all;
}

net::Task<std::optional<store::OpenMessage>> Maildrop::open_message(const Item& item) {
  return view_->mailbox().open_message(item.uid);
}

void Maildrop::note_retrieved(Item& item) {
  ++retrieved_;
  metrics::count(metric::pop3_messages, "retrieved");
  item.is_retrieved = true;
}

void Maildrop::unmark_all() {
  for (Item& item : items_) item.is_deleted = false;
}

net::Task<> Maildrop::update(Retrieved retrieved, const log::Logger& log) {
  std::vector<store::Uid> deleted;
  store::FlagRequest read;
  for (const Item& item : items_) {
    if (item.is_deleted)
      deleted.push_back(item.uid);
    else if (item.is_retrieved && retrieved == Retrieved::mark_seen)
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
      log.error(event::pop3_failed,
                {{"account", view_->mailbox().account().name()}, {"error", marked.error().what}});
  }
  co_return Result<>{};
}

// Those that are there still; false: some are yet. A mark that did not lead to a removal is taken
// back, so that nothing is half deleted for IMAP.
net::Task<bool> Maildrop::remove(std::vector<store::Uid> uids) {
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
