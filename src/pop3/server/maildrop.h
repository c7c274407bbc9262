// The maildrop of a POP3 session (RFC 1939 section 3): INBOX as it was at the login, until the
// session ends. Numbers never change, whatever others do to the mailbox meanwhile. Marks are this
// session's own; only update() removes anything, and QUIT alone calls it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/log.h"
#include "pop3/proto/command.h"
#include "store/account.h"

namespace posthorn::pop3 {

// A message as this session sees it. Its number is its place, from 1.
struct Item {
  store::Uid uid = 0;
  std::uint64_t size = 0;  // in wire form
  bool is_deleted = false;
  bool is_retrieved = false;
};

class Maildrop {
 public:
  // It leaves \Recent to IMAP. An Error is as the store's.
  static net::Task<Maildrop> open(store::Account& account);

  // The mailbox was replaced: no number means anything any more.
  bool is_gone() const { return view_->mailbox().is_gone(); }
  std::uint32_t uidvalidity() const { return view_->mailbox().uidvalidity(); }
  std::span<const Item> items() const { return items_; }
  // The message of a number, unless it is marked as deleted.
  std::expected<Item*, Fault> find(std::uint64_t number);

  // Messages that are marked as deleted count no more (RFC 1939 section 5).
  struct Total {
    std::size_t messages = 0;
    std::uint64_t octets = 0;
  };
  Total total() const;
  std::size_t retrieved() const { return retrieved_; }
  std::size_t removed() const { return removed_; }

  // nullopt: another session or program removed it. The numbers stay.
  net::Task<std::optional<store::OpenMessage>> open_message(const Item& item);
  void note_retrieved(Item& item);
  void unmark_all();  // RSET
  // What others change is not told, but must not pile up.
  void pass_over_changes() { (void)view_->take_changes(store::ExpungeMode::allowed); }

  // RFC 1939 section 6: the UPDATE state. An Error: some of what was marked is there still.
  enum class Retrieved { left_unseen, mark_seen };
  net::Task<> update(Retrieved retrieved, const log::Logger& log);

 private:
  explicit Maildrop(store::ViewPtr view) : view_(std::move(view)) {}
  net::Task<bool> remove(std::vector<store::Uid> uids);

  store::ViewPtr view_;
  std::vector<Item> items_;
  std::size_t retrieved_ = 0, removed_ = 0;
};

}  // namespace posthorn::pop3
