// Keywords: which of its mailbox's keywords a message has, as numbers; KeywordNames: what the
// numbers are called. Numbers 0 to 25 are the letters a to z of the file names (and of
// dovecot-keywords), those from 26 on stand in posthorn-keywords (dovecot_files.h).
//
// A set takes 8 bytes in a message's Entry, however many keywords a mailbox has: numbers below 63
// are bits in place; a set with a higher one is a list on the heap that never changes and that all
// its copies share, over threads too. A KeywordPool makes equal lists one.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace posthorn::store {

using KeywordNumber = std::uint16_t;
inline constexpr std::size_t kKeywordsMax = 4096;  // of one mailbox
inline constexpr std::size_t kKeywordLettersMax = 26;
inline constexpr std::size_t kKeywordLengthMax = 128;

using KeywordBits = std::bitset<kKeywordsMax>;

class Keywords {
 public:
  Keywords() = default;
  Keywords(const Keywords& other) noexcept : word_(other.word_) {
    if (is_list()) share();
  }
  Keywords(Keywords&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  Keywords& operator=(const Keywords& other) noexcept {
    Keywords copy(other);
    std::swap(word_, copy.word_);
    return *this;
  }
  Keywords& operator=(Keywords&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~Keywords() {
    if (is_list()) release();
  }

  static Keywords of(std::span<const KeywordNumber> ascending);
  static Keywords of(const KeywordBits& bits);
  static Keywords of_mask(std::uint64_t mask);  // bit n is number n

  bool empty() const { return word_ == 0; }
  std::size_t size() const;
  bool contains(std::size_t number) const;
  std::uint32_t letters() const;               // bit n is the letter 'a' + n
  Keywords high() const;                       // without the letters
  std::vector<KeywordNumber> numbers() const;  // ascending
  void add_to(KeywordBits& bits) const;

  friend Keywords operator|(const Keywords& a, const Keywords& b);
  friend Keywords operator-(const Keywords& a, const Keywords& b);
  friend bool operator==(const Keywords& a, const Keywords& b) noexcept;

  // As the index keeps it: bits in place as a number, a list as bytes.
  std::optional<std::uint64_t> mask() const;
  std::string packed() const;
  static Keywords of_packed(std::string_view bytes);  // what makes no sense is passed over

 private:
  friend class KeywordPool;
  struct List;
  bool is_list() const { return word_ != 0 && (word_ & 1U) == 0; }
  const List& list() const { return *reinterpret_cast<const List*>(word_); }
  void share() const noexcept;
  void release() const noexcept;
  bool is_shared() const noexcept;  // false: this is the only copy
  std::size_t hash() const noexcept;

  std::uintptr_t word_ = 0;  // 0: none; odd: bits, from bit 1 on; else the address of a List
};
static_assert(sizeof(Keywords) == 8);

// One account's lists, each once. Those that nobody has any more go when the pool has doubled.
class KeywordPool {
 public:
  Keywords intern(Keywords keywords);
  std::size_t size() const { return lists_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Keywords& keywords) const noexcept { return keywords.hash(); }
  };
  std::unordered_set<Keywords, Hash> lists_;
  std::size_t sweep_at_ = 64;
};

// Names are the same in any case (RFC 3501 section 2.3.2 leaves it open; Dovecot has it so). Two
// numbers may have one name, when another program gave a letter to what had a number here: the
// lower one counts, and the name is told once.
class KeywordNames {
 public:
  static std::shared_ptr<const KeywordNames> none();

  std::size_t size() const { return names_.size(); }  // numbers from here on have no name
  std::size_t count() const { return sorted_.size(); }
  const std::string& operator[](std::size_t number) const;  // empty: it has none (any more)
  const std::vector<std::string>& by_number() const { return names_; }
  std::optional<KeywordNumber> find(std::string_view name) const;
  Keywords find_all(std::string_view name) const;
  bool is_one_of(const Keywords& keywords, std::string_view name) const;
  std::vector<std::string_view> all() const;                               // each once
  std::vector<std::string_view> names_of(const Keywords& keywords) const;  // each once

  void set(std::size_t number, std::string_view name);  // empty: none
  std::size_t keep(const KeywordBits& used);            // the others lose their names: how many
  bool operator==(const KeywordNames& other) const { return names_ == other.names_; }

 private:
  std::span<const KeywordNumber> range_of(std::string_view name) const;
  bool is_second(KeywordNumber number, const Keywords* among) const;

  std::vector<std::string> names_;
  std::vector<KeywordNumber> sorted_;  // of those with a name: by it, then by number
  bool has_doubles_ = false;
};
using KeywordNamesPtr = std::shared_ptr<const KeywordNames>;

}  // namespace posthorn::store
