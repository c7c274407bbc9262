// What one FETCH knows of its messages: their facts, from the records that the index keeps or that
// were just made of their files, and what else was read of those. For the header alone no more of a
// file is read than that.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "search/record.h"
#include "store/mailbox.h"

namespace posthorn::imap {

// What of a message's file a FETCH wants, and has then.
struct Wanted {
  bool record = false, header_record = false, header = false, text = false;
  bool needs_file() const { return record || header_record || header; }
};

struct Loaded {
  std::string record;               // of the whole message, or of its header; empty: not wanted
  std::string header;               // with the empty line
  std::optional<std::string> text;  // of a small one
};

// Blocks.
Result<Loaded> load_message(const store::OpenMessage& opened, Wanted wanted);

class FetchFacts {
 public:
  // half: what is asked for; nullopt: nothing that a record holds.
  FetchFacts(store::Mailbox& mailbox, std::optional<search::Half> half)
      : mailbox_(mailbox), half_(half) {}

  // The records that there are of these messages, in place of those of before.
  net::Task<> load(const std::vector<store::Uid>& uids);
  // Empty where nothing is known. Views into what is kept here.
  const search::Facts& of(store::Uid uid) const;
  // What the message's file must be read for.
  Wanted lacking(store::Uid uid) const;
  // Records that were made go into the index, of all messages at once. loaded: in the order of
  // uids.
  net::Awaitable<void> keep(const std::vector<store::Uid>& uids, std::vector<Loaded>& loaded);

 private:
  struct Known {
    Known(std::string bytes, search::Half half);
    Known(const Known&) = delete;
    Known& operator=(const Known&) = delete;

    std::string record;
    search::Facts facts;  // views into it
  };

  store::Mailbox& mailbox_;
  std::optional<search::Half> half_;
  std::unordered_map<store::Uid, Known> known_;
};

}  // namespace posthorn::imap
