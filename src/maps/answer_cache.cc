#include "maps/answer_cache.h"

namespace posthorn::maps {

// With what list, index and allocator take.
std::uint64_t AnswerCache::bytes_of(const Entry& entry) {
  return 200 + entry.key.size() + (entry.answer.value ? entry.answer.value->size() : 0);
}

void AnswerCache::drop(std::list<Entry>::iterator entry) {
  bytes_ -= bytes_of(*entry);
  index_.erase(entry->key);
  order_.erase(entry);
}

const CachedAnswer* AnswerCache::find(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return &found->second->answer;
}

void AnswerCache::put(std::string key, CachedAnswer answer) {
  if (const auto found = index_.find(key); found != index_.end()) drop(found->second);
  order_.push_front({std::move(key), std::move(answer)});
  bytes_ += bytes_of(order_.front());
  index_.emplace(order_.front().key, order_.begin());
  while (bytes_ > bytes_max_ && !order_.empty()) drop(std::prev(order_.end()));
}

void AnswerCache::erase_if_begins(std::string_view prefix) {
  for (auto entry = order_.begin(); entry != order_.end();) {
    const auto next = std::next(entry);
    if (entry->key.starts_with(prefix)) drop(entry);
    entry = next;
  }
}

}  // namespace posthorn::maps
