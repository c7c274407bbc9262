#include "sieve/language/matcher.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "base/ascii.h"
#include "base/utf8.h"

namespace posthorn::sieve {

std::size_t find_text(std::string_view text, std::string_view part) {
  if (part.empty()) return 0;
  const void* found = ::memmem(text.data(), text.size(), part.data(), part.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

Matcher::Matcher(Run& run, const Call& call, std::size_t keys)
    : Matcher(run, call.matching(), call.list(run, keys)) {}

Matcher::Matcher(Run& run, const Matching& matching, std::vector<std::string_view> keys)
    : run_(run), matching_(matching), keys_(std::move(keys)) {
  folded_keys_.reserve(keys_.size());
  for (const std::string_view key : keys_) folded_keys_.push_back(matching_.comparator->fold(key));
}

bool Matcher::value(std::string_view value) {
  ++count_;
  if (matching_.type->counts == MatchRow::Counts::yes) return false;
  return matches(value);
}

bool Matcher::finish() {
  if (matching_.type->counts == MatchRow::Counts::no) return false;
  return matches(std::to_string(count_));
}

bool Matcher::matches(std::string_view value) {
  if (!run_.spend(value.size() * matching_.comparator->cost / 256)) return false;
  const std::string folded = matching_.comparator->fold(value);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (!run_.spend(1 + value.size() / 256)) return false;
    if (!matching_.type->holds(run_, matching_, {folded, value, folded_keys_[i], keys_[i]}))
      continue;
    if (run_.is_traced())
      run_.trace(fmt::format("  \"{}\" :{} \"{}\"", value, matching_.type->name, keys_[i]));
    return true;
  }
  if (run_.is_traced())
    run_.trace(fmt::format("  \"{}\" does not match :{}", value, matching_.type->name));
  return false;
}

namespace {

// A pattern between two `*`: letters, and `?` as kAny.
struct Piece {
  std::string bytes;         // with a placeholder for each `?`
  std::vector<bool> is_any;  // by byte
  std::size_t any = 0;
};

std::vector<Piece> pieces_of(std::string_view pattern) {
  std::vector<Piece> pieces(1);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '*') {
      pieces.emplace_back();
      continue;
    }
    const bool is_any = c == '?';
    if (c == '\\' && i + 1 < pattern.size()) c = pattern[++i];
    pieces.back().bytes += c;
    pieces.back().is_any.push_back(is_any);
    pieces.back().any += is_any ? 1 : 0;
  }
  return pieces;
}

std::size_t letter_size(std::string_view text, std::size_t at, ComparatorRow::Unit unit) {
  if (unit == ComparatorRow::Unit::octet) return 1;
  return std::max<std::size_t>(1, utf8_length(text.substr(at)));
}

// Where a piece that begins at `at` ends; npos: it does not stand there. marks: of its `?`s.
std::size_t end_of(const Piece& piece, std::string_view text, std::size_t at,
                   ComparatorRow::Unit unit,
                   std::vector<std::pair<std::size_t, std::size_t>>* marks) {
  for (std::size_t i = 0; i < piece.bytes.size(); ++i) {
    if (at >= text.size()) return std::string_view::npos;
    if (piece.is_any[i]) {
      const std::size_t size = letter_size(text, at, unit);
      if (marks != nullptr) marks->emplace_back(at, at + size);
      at += size;
    } else if (text[at++] != piece.bytes[i]) {
      return std::string_view::npos;
    }
  }
  return at;
}

using Marks = std::vector<std::pair<std::size_t, std::size_t>>;

bool glob(const std::vector<Piece>& pieces, std::string_view text, ComparatorRow::Unit unit,
          Marks& marks) {
  std::size_t at = end_of(pieces.front(), text, 0, unit, &marks);
  if (at == std::string_view::npos) return false;
  if (pieces.size() == 1) return at == text.size();
  for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    const std::size_t from = at;
    if (piece.any == 0) {
      const std::size_t found = find_text(text.substr(at), piece.bytes);
      if (found == std::string_view::npos) return false;
      at += found;
    } else {
      while (end_of(piece, text, at, unit, nullptr) == std::string_view::npos) {
        if (at >= text.size()) return false;
        at += letter_size(text, at, unit);
      }
    }
    marks.emplace_back(from, at);
    at = end_of(piece, text, at, unit, &marks);
  }
  // The last one stands at the end: the place from which it reaches there.
  const Piece& last = pieces.back();
  std::size_t begin = text.size();
  for (std::size_t i = last.bytes.size(); i > 0; --i) {
    if (begin <= at) return false;
    --begin;
    if (last.is_any[i - 1] && unit == ComparatorRow::Unit::letter)
      while (begin > at && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) --begin;
  }
  marks.emplace_back(at, begin);
  return end_of(last, text, begin, unit, &marks) == text.size();
}

// For each place of the folded text where in the text its letter begins.
std::vector<std::size_t> places_of(std::string_view text, const ComparatorRow& comparator) {
  std::vector<std::size_t> places;
  places.reserve(2 * text.size() + 1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = letter_size(text, at, comparator.unit);
    places.resize(places.size() + comparator.fold(text.substr(at, size)).size(), at);
    at += size;
  }
  places.push_back(text.size());
  return places;
}

}  // namespace

bool matches_glob(std::string_view folded_pattern, std::string_view folded, std::string_view text,
                  const ComparatorRow& comparator, std::vector<std::string>* captures) {
  Marks marks;
  if (!glob(pieces_of(folded_pattern), folded, comparator.unit, marks)) return false;
  if (captures == nullptr) return true;
  captures->emplace_back(text);
  // Folding keeps the length of ASCII, and the letters stand where they stood.
  const bool is_moved = text.size() != folded.size() || !is_ascii(text);
  const auto places = is_moved ? places_of(text, comparator) : std::vector<std::size_t>();
  const bool is_known = places.size() == folded.size() + 1;
  for (const auto& [begin, end] : marks) {
    const std::size_t first = is_known ? places[begin] : begin;
    const std::size_t last = is_known ? places[end] : end;
    captures->emplace_back((is_known || !is_moved ? text : folded).substr(first, last - first));
  }
  return true;
}

}  // namespace posthorn::sieve
