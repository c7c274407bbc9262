// AnswerCache: what a table said, for a while. Bounded in bytes; the longest unused goes first. An
// answer is current until its table's generation changes or it grows old; after that it is still
// the last good one, for when the table cannot be asked.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace posthorn::maps {

struct CachedAnswer {
  std::optional<std::string> value;  // nullopt: it is not there
  SteadyTime asked{};
  std::uint64_t generation = 0;
  std::uint64_t row = 0;  // the id of the one that said it
};

class AnswerCache {
 public:
  explicit AnswerCache(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  // key: with the table's name in front, as the caller makes it unique. Valid until the next call.
  const CachedAnswer* find(std::string_view key);
  void put(std::string key, CachedAnswer answer);
  void erase_if_begins(std::string_view prefix);
  std::uint64_t bytes() const { return bytes_; }
  std::size_t size() const { return order_.size(); }

 private:
  struct Entry {
    std::string key;
    CachedAnswer answer;
  };
  static std::uint64_t bytes_of(const Entry& entry);
  void drop(std::list<Entry>::iterator entry);

  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::list<Entry> order_;  // the last used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;
};

}  // namespace posthorn::maps
