#include "message/charset.h"

#include <array>
#include <memory>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/mailbox_address.h"

namespace posthorn::message {
namespace {

constexpr std::size_t kConvertersMax = 24;  // kept open, a thread
constexpr std::size_t kPieceMax = 1U << 20U;

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

struct Renamed {
  std::string_view label, meant;
};
// What mail programs write, and what they mean by it: the larger set that they really use.
constexpr auto kRenamed = std::to_array<Renamed>({
    {"us-ascii", "utf-8"},          {"ascii", "utf-8"},
    {"ansi_x3.4-1968", "utf-8"},    {"utf8", "utf-8"},
    {"unicode-1-1-utf-8", "utf-8"}, {"iso-8859-1", "windows-1252"},
    {"iso8859-1", "windows-1252"},  {"latin1", "windows-1252"},
    {"iso-8859-9", "windows-1254"}, {"gb2312", "gb18030"},
    {"gb_2312-80", "gb18030"},      {"euc-cn", "gb18030"},
    {"x-gbk", "gb18030"},           {"gbk", "gb18030"},
    {"iso-8859-8-i", "iso-8859-8"}, {"ks_c_5601-1987", "windows-949"},
    {"euc-kr", "windows-949"},      {"x-sjis", "shift_jis"},
    {"tis-620", "windows-874"},     {"iso-8859-11", "windows-874"},
});

// One word of letters, digits and few marks: no path, and none of ICU's "name,option=1" switches.
bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kCharsetNameMax) return false;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain && std::string_view("-_.:+()").find(c) == std::string_view::npos) return false;
  }
  return true;
}

// These can write "<script>" or an address in bytes that no filter looks for, and no mail program
// sends them.
bool is_refused(std::string_view canonical) {
  const std::string lower = to_lower(canonical);
  for (const std::string_view name : {"utf-7", "imap-mailbox-name", "scsu", "bocu-1", "cesu-8"})
    if (lower == name) return true;
  return lower.starts_with("lmbcs");
}

// The name that ICU is to open; empty: none.
std::string canonical_name(std::string_view charset) {
  std::string name = to_lower(charset.substr(0, charset.find('*')));
  if (!is_name(name)) return {};
  for (const auto& [label, meant] : kRenamed)
    if (name == label) return std::string(meant);
  // Asking the list of aliases first keeps ICU from looking for a converter's file by that name.
  UErrorCode status = U_ZERO_ERROR;
  if (ucnv_countAliases(name.c_str(), &status) == 0 || U_FAILURE(status)) return {};
  status = U_ZERO_ERROR;
  const char* canonical = ucnv_getAlias(name.c_str(), 0, &status);
  if (U_FAILURE(status) || canonical == nullptr || is_refused(canonical)) return {};
  return name;
}

// Converters hold state and belong to one thread; opening one costs more than most header fields.
class Converters {
 public:
  UConverter* open(const std::string& name) {
    for (std::size_t i = 0; i < open_.size(); ++i)
      if (open_[i].first == name) {
        if (i > 0) std::swap(open_[i], open_[i - 1]);  // the ones in use come to the front
        return open_[i > 0 ? i - 1 : 0].second.get();
      }
    UErrorCode status = U_ZERO_ERROR;
    Converter converter(ucnv_open(name.c_str(), &status));
    if (U_FAILURE(status) || !converter) return nullptr;
    if (open_.size() == kConvertersMax) open_.pop_back();
    return open_.emplace_back(name, std::move(converter)).second.get();
  }
  UConverter* utf8() {
    if (!utf8_) {
      UErrorCode status = U_ZERO_ERROR;
      utf8_.reset(ucnv_open("UTF-8", &status));
    }
    return utf8_.get();
  }

 private:
  std::vector<std::pair<std::string, Converter>> open_;
  Converter utf8_;  // the target; another than the source named "utf-8"
};

Converters& converters() {
  thread_local Converters kept;
  return kept;
}

std::optional<std::string> convert(std::string_view bytes, UConverter* from, UConverter* to) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  std::array<char, 8192> target_room{};
  std::array<UChar, 1024> pivot{};
  UChar* pivot_from = pivot.data();
  UChar* pivot_to = pivot.data();
  const char* source = bytes.data();
  const char* const source_end = source + bytes.size();
  UBool reset = true;
  while (true) {
    UErrorCode status = U_ZERO_ERROR;
    char* target = target_room.data();
    ucnv_convertEx(to, from, &target, target + target_room.size(), &source, source_end,
                   pivot.data(), &pivot_from, &pivot_to, pivot.data() + pivot.size(), reset,
                   /*flush=*/true, &status);
    out.append(target_room.data(), static_cast<std::size_t>(target - target_room.data()));
    if (status != U_BUFFER_OVERFLOW_ERROR) {
      if (U_FAILURE(status)) return std::nullopt;
      return out;
    }
    reset = false;
  }
}

// Where a piece of at most kPieceMax may end: before an ASCII letter, which no mark behind it
// changes, or, if there is none, before a whole character.
std::size_t piece_end(std::string_view text) {
  if (text.size() <= kPieceMax) return text.size();
  for (std::size_t i = kPieceMax; i > kPieceMax / 2; --i)
    if (static_cast<unsigned char>(text[i]) < 0x80) return i;
  std::size_t end = kPieceMax;
  while (end > kPieceMax - 4 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
  return end;
}

void fold_piece(std::string_view text, std::string& out) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* casefold = icu::Normalizer2::getNFKCCasefoldInstance(status);
  const icu::Normalizer2* decompose = icu::Normalizer2::getNFDInstance(status);
  if (U_FAILURE(status)) {  // without ICU's data: what ASCII needs
    out += to_lower(text);
    return;
  }
  const icu::UnicodeString folded =
      casefold->normalize(icu::UnicodeString::fromUTF8(icu::StringPiece(
                              text.data(), static_cast<std::int32_t>(text.size()))),
                          status);
  decompose->normalize(folded, status).toUTF8String(out);
}

}  // namespace

std::optional<std::string> to_utf8(std::string_view bytes, std::string_view charset) {
  if (bytes.size() > kConvertMax) return std::nullopt;
  const std::string name = canonical_name(charset);
  if (name.empty()) return std::nullopt;
  if (name == "utf-8" && is_ascii(bytes)) return std::string(bytes);
  UConverter* from = converters().open(name);
  UConverter* to = converters().utf8();
  if (from == nullptr || to == nullptr) return std::nullopt;
  return convert(bytes, from, to);
}

bool is_charset(std::string_view name) {
  const std::string canonical = canonical_name(name);
  // ICU lists names ("es") of converters that it cannot open.
  return !canonical.empty() && converters().open(canonical) != nullptr;
}

std::string fold_for_search(std::string_view utf8) {
  if (is_ascii(utf8)) return to_lower(utf8);
  std::string out;
  out.reserve(utf8.size());
  while (!utf8.empty()) {
    const std::string_view piece = utf8.substr(0, piece_end(utf8));
    if (is_ascii(piece))
      out += to_lower(piece);
    else
      fold_piece(piece, out);
    utf8.remove_prefix(piece.size());
  }
  return out;
}

std::string fold_unicode_casemap(std::string_view utf8) {
  if (is_ascii(utf8)) return to_upper(utf8);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* decompose = icu::Normalizer2::getNFKDInstance(status);
  if (U_FAILURE(status)) return to_upper(utf8);  // without ICU's data: what ASCII needs
  std::string out;
  out.reserve(utf8.size());
  icu::UnicodeString decomposed;
  while (!utf8.empty()) {
    if (utf8_length(utf8) < 2) {  // ASCII, or no UTF-8
      out += to_upper(utf8.front());
      utf8.remove_prefix(1);
      continue;
    }
    const auto point = u_totitle(static_cast<UChar32>(*take_code_point(utf8)));
    if (decompose->getDecomposition(point, decomposed))
      decomposed.toUTF8String(out);
    else
      append_code_point(out, static_cast<char32_t>(point));
  }
  return out;
}

}  // namespace posthorn::message
