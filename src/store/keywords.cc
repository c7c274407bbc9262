#include "store/keywords.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <iterator>

#include "base/ascii.h"
#include "base/assert.h"

namespace posthorn::store {
namespace {

constexpr std::size_t kInPlaceMax = 63;
constexpr std::uint64_t kLetterMask = (std::uint64_t{1} << kKeywordLettersMax) - 1;

// <0, 0, >0 as for strings, letters in either case.
int compare_names(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < shorter; ++i) {
    const char x = to_lower(a[i]);
    const char y = to_lower(b[i]);
    if (x != y) return x < y ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

template <class Each>
void each_bit(std::uint64_t mask, Each each) {
  for (; mask != 0; mask &= mask - 1) each(static_cast<KeywordNumber>(std::countr_zero(mask)));
}

}  // namespace

struct Keywords::List {
  mutable std::atomic<std::uint32_t> users{1};
  std::vector<KeywordNumber> numbers;
};

Keywords Keywords::of(std::span<const KeywordNumber> ascending) {
  Keywords out;
  if (ascending.empty()) return out;
  ASSERT(std::ranges::is_sorted(ascending) && ascending.back() < kKeywordsMax);
  if (ascending.back() < kInPlaceMax) {
    std::uint64_t mask = 0;
    for (const KeywordNumber number : ascending) mask |= std::uint64_t{1} << number;
    out.word_ = mask << 1U | 1U;
    return out;
  }
  auto list = std::make_unique<List>();
  list->numbers.assign(ascending.begin(), ascending.end());
  out.word_ = reinterpret_cast<std::uintptr_t>(list.release());
  return out;
}

Keywords Keywords::of(const KeywordBits& bits) {
  std::vector<KeywordNumber> numbers;
  numbers.reserve(bits.count());
  for (std::size_t i = bits._Find_first(); i < bits.size(); i = bits._Find_next(i))
    numbers.push_back(static_cast<KeywordNumber>(i));
  return of(numbers);
}

Keywords Keywords::of_mask(std::uint64_t mask) {
  Keywords out;
  if (mask >> kInPlaceMax == 0) {
    out.word_ = mask == 0 ? 0 : mask << 1U | 1U;
    return out;
  }
  std::vector<KeywordNumber> numbers;
  each_bit(mask, [&](KeywordNumber number) { numbers.push_back(number); });
  return of(numbers);
}

std::size_t Keywords::size() const {
  if (is_list()) return list().numbers.size();
  return static_cast<std::size_t>(std::popcount(word_ >> 1U));
}

bool Keywords::contains(std::size_t number) const {
  if (is_list()) return std::ranges::binary_search(list().numbers, number);
  return number < kInPlaceMax && (word_ >> 1U >> number & 1U) != 0;
}

std::uint32_t Keywords::letters() const {
  if (!is_list()) return static_cast<std::uint32_t>(word_ >> 1U & kLetterMask);
  std::uint32_t mask = 0;
  for (const KeywordNumber number : list().numbers) {
    if (number >= kKeywordLettersMax) break;
    mask |= std::uint32_t{1} << number;
  }
  return mask;
}

Keywords Keywords::high() const {
  if (!is_list()) return of_mask(word_ >> 1U & ~kLetterMask);
  const std::vector<KeywordNumber>& numbers = list().numbers;
  if (numbers.front() >= kKeywordLettersMax) return *this;
  const auto from = std::ranges::lower_bound(numbers, kKeywordLettersMax);
  return of(std::span(from, numbers.end()));
}

std::vector<KeywordNumber> Keywords::numbers() const {
  if (is_list()) return list().numbers;
  std::vector<KeywordNumber> out;
  each_bit(word_ >> 1U, [&](KeywordNumber number) { out.push_back(number); });
  return out;
}

void Keywords::add_to(KeywordBits& bits) const {
  if (is_list()) {
    for (const KeywordNumber number : list().numbers) bits.set(number);
  } else {
    each_bit(word_ >> 1U, [&](KeywordNumber number) { bits.set(number); });
  }
}

Keywords operator|(const Keywords& a, const Keywords& b) {
  if (!a.is_list() && !b.is_list()) return Keywords::of_mask((a.word_ | b.word_) >> 1U);
  const auto mine = a.numbers();
  const auto more = b.numbers();
  if (std::ranges::includes(mine, more)) return a;
  std::vector<KeywordNumber> both;
  std::ranges::set_union(mine, more, std::back_inserter(both));
  return Keywords::of(both);
}

Keywords operator-(const Keywords& a, const Keywords& b) {
  if (!a.is_list() && !b.is_list()) return Keywords::of_mask((a.word_ & ~b.word_) >> 1U);
  const auto mine = a.numbers();
  const auto less = b.numbers();
  std::vector<KeywordNumber> rest;
  std::ranges::set_difference(mine, less, std::back_inserter(rest));
  return rest.size() == mine.size() ? a : Keywords::of(rest);
}

bool operator==(const Keywords& a, const Keywords& b) noexcept {
  if (a.word_ == b.word_) return true;
  return a.is_list() && b.is_list() && a.list().numbers == b.list().numbers;
}

std::optional<std::uint64_t> Keywords::mask() const {
  if (is_list()) return std::nullopt;
  return word_ >> 1U;
}

// Two bytes a number, the lower one first.
std::string Keywords::packed() const {
  std::string out;
  for (const KeywordNumber number : numbers()) {
    out += static_cast<char>(number & 0xFFU);
    out += static_cast<char>(number >> 8U);
  }
  return out;
}

Keywords Keywords::of_packed(std::string_view bytes) {
  std::vector<KeywordNumber> numbers;
  numbers.reserve(bytes.size() / 2);
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const auto number = static_cast<KeywordNumber>(static_cast<unsigned char>(bytes[i]) |
                                                   static_cast<unsigned char>(bytes[i + 1]) << 8U);
    if (number >= kKeywordsMax || (!numbers.empty() && number <= numbers.back())) continue;
    numbers.push_back(number);
  }
  return of(numbers);
}

void Keywords::share() const noexcept {
  list().users.fetch_add(1, std::memory_order_relaxed);
}

void Keywords::release() const noexcept {
  if (list().users.fetch_sub(1, std::memory_order_acq_rel) == 1)
    std::unique_ptr<const List>(&list()).reset();
}

bool Keywords::is_shared() const noexcept {
  return list().users.load(std::memory_order_acquire) > 1;
}

std::size_t Keywords::hash() const noexcept {
  if (!is_list()) return std::hash<std::uintptr_t>()(word_);
  const auto& numbers = list().numbers;
  const auto* const bytes = reinterpret_cast<const char*>(numbers.data());
  return std::hash<std::string_view>()({bytes, numbers.size() * sizeof(KeywordNumber)});
}

Keywords KeywordPool::intern(Keywords keywords) {
  if (!keywords.is_list()) return keywords;
  const auto [at, is_new] = lists_.insert(std::move(keywords));
  Keywords out = *at;
  if (is_new && lists_.size() > sweep_at_) {
    std::erase_if(lists_, [](const Keywords& one) { return !one.is_shared(); });
    sweep_at_ = std::max<std::size_t>(64, 2 * lists_.size());
  }
  return out;
}

KeywordNamesPtr KeywordNames::none() {
  static const KeywordNamesPtr nothing = std::make_shared<const KeywordNames>();
  return nothing;
}

const std::string& KeywordNames::operator[](std::size_t number) const {
  static const std::string nothing;
  return number < names_.size() ? names_[number] : nothing;
}

std::span<const KeywordNumber> KeywordNames::range_of(std::string_view name) const {
  const auto begin = std::ranges::partition_point(
      sorted_, [&](KeywordNumber n) { return compare_names(names_[n], name) < 0; });
  auto end = begin;
  while (end != sorted_.end() && compare_names(names_[*end], name) == 0) ++end;
  return {begin, end};
}

std::optional<KeywordNumber> KeywordNames::find(std::string_view name) const {
  const auto range = range_of(name);
  if (range.empty()) return std::nullopt;
  return range.front();
}

Keywords KeywordNames::find_all(std::string_view name) const {
  return Keywords::of(range_of(name));
}

bool KeywordNames::is_one_of(const Keywords& keywords, std::string_view name) const {
  return !keywords.empty() && std::ranges::any_of(range_of(name), [&](KeywordNumber number) {
    return keywords.contains(number);
  });
}

bool KeywordNames::is_second(KeywordNumber number, const Keywords* among) const {
  if (!has_doubles_) return false;
  for (const KeywordNumber other : range_of(names_[number])) {
    if (other == number) return false;
    if (among == nullptr || among->contains(other)) return true;
  }
  return false;
}

std::vector<std::string_view> KeywordNames::all() const {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (!names_[i].empty() && !is_second(static_cast<KeywordNumber>(i), nullptr))
      out.push_back(names_[i]);
  return out;
}

std::vector<std::string_view> KeywordNames::names_of(const Keywords& keywords) const {
  std::vector<std::string_view> out;
  if (keywords.empty()) return out;
  for (const KeywordNumber number : keywords.numbers())
    if (const std::string& name = (*this)[number]; !name.empty() && !is_second(number, &keywords))
      out.push_back(name);
  return out;
}

void KeywordNames::set(std::size_t number, std::string_view name) {
  ASSERT(number < kKeywordsMax);
  const auto own = static_cast<KeywordNumber>(number);
  if (!(*this)[number].empty()) std::erase(sorted_, own);
  if (names_.size() <= number) names_.resize(number + 1);
  names_[number] = name;
  while (!names_.empty() && names_.back().empty()) names_.pop_back();
  if (!name.empty()) {
    const auto at = std::ranges::partition_point(sorted_, [&](KeywordNumber n) {
      const int order = compare_names(names_[n], name);
      return order < 0 || (order == 0 && n < own);
    });
    sorted_.insert(at, own);
    has_doubles_ |= range_of(name).size() > 1;
  }
}

std::size_t KeywordNames::keep(const KeywordBits& used) {
  const std::size_t lost = std::erase_if(sorted_, [&](KeywordNumber n) { return !used[n]; });
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (!used[i]) names_[i].clear();
  while (!names_.empty() && names_.back().empty()) names_.pop_back();
  return lost;
}

}  // namespace posthorn::store
