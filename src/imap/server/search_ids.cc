#include "imap/server/search_ids.h"

#include <algorithm>
#include <span>

namespace posthorn::imap {
namespace {

using search::Key;

constexpr std::size_t kBatch = 500;

void find_keys(Key& key, std::vector<Key*>& found) {
  if (key.kind == Key::Kind::email_id) found.push_back(&key);
  for (Key& inner : key.keys) find_keys(inner, found);
}

}  // namespace

net::Task<> settle_email_ids(Key& key, const store::View& view) {
  std::vector<Key*> keys;
  find_keys(key, keys);
  if (keys.empty()) co_return Result<>{};
  const std::vector<store::Uid> uids = view.uids();
  for (std::size_t at = 0; at < uids.size(); at += kBatch) {
    const auto some = std::span(uids).subspan(at, std::min(kBatch, uids.size() - at));
    CO_TRY(const auto ids, co_await view.mailbox().load_email_ids({some.begin(), some.end()}));
    for (const store::EmailId& one : ids)
      for (Key* wanted : keys)
        if (wanted->text == one.id) wanted->ranges.emplace_back(one.uid, one.uid);
  }
  for (Key* settled : keys) {
    settled->kind = Key::Kind::uid;
    settled->text.clear();
  }
  co_return Result<>{};
}

}  // namespace posthorn::imap
