// The record of a message as it is read: record.h has its form.
#include "search/record.h"
#include "search/record_form.h"

namespace posthorn::search {
namespace {

// Reads what a Writer wrote. After the first fault nothing more is read: is_good() at the end tells
// for all.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool is_good() const { return is_good_; }
  bool is_at_end() const { return at_ == bytes_.size(); }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && at_ < bytes_.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    return fault();
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - at_) {
      fault();
      return {};
    }
    const std::string_view taken = bytes_.substr(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return taken;
  }

  HeaderFacts header() {
    HeaderFacts facts;
    begin_ = at_;
    const std::size_t count = count_of(2);
    facts.fields.resize(count);
    for (Field& field : facts.fields) {
      const std::string_view name = take(1);
      if (name.empty() || static_cast<unsigned char>(name[0]) >= kFieldNames) {
        fault();
        break;
      }
      field.name = static_cast<FieldName>(name[0]);
      field.value = text();
      if (!has_addresses(field.name)) continue;
      field.addresses.resize(count_of(4));
      for (Address& address : field.addresses)
        for (auto* item : {&address.name, &address.route, &address.mailbox, &address.host})
          *item = optional_text();
      if (!is_good_) break;
    }
    return facts;
  }

  void part(PartFacts& part, std::uint64_t from, std::uint64_t limit, std::size_t depth) {
    const std::string_view first = take(1);
    if (first.empty() || depth > kDepthMax || ++parts_ > kPartsMax) return void(fault());
    const auto has = static_cast<unsigned char>(first[0]);
    part.type = text();
    part.subtype = text();
    part.encoding = text();
    if ((has & kHasParameters) != 0) parameters(part.parameters);
    if ((has & kHasId) != 0) part.id = text();
    if ((has & kHasDescription) != 0) part.description = text();
    if ((has & kHasMd5) != 0) part.md5 = text();
    if ((has & kHasLocation) != 0) part.location = text();
    if ((has & kHasDisposition) != 0) {
      part.disposition = text();
      parameters(part.disposition_parameters);
    }
    if ((has & kHasLanguages) != 0) {
      part.languages.resize(count_of(1));
      for (std::string_view& language : part.languages) language = text();
    }
    part.header_begin = place(from, limit);
    part.body_begin = place(part.header_begin, limit);
    part.body_end = place(part.body_begin, limit);
    part.lines = number();
    if ((has & kHasChildren) != 0 && is_good_) children(part, depth);
  }

 private:
  std::uint64_t fault() {
    is_good_ = false;
    at_ = bytes_.size();
    return 0;
  }

  // How many follow, each of at least so many bytes: a damaged number makes no room for more.
  std::size_t count_of(std::size_t bytes_each) {
    const std::uint64_t count = number();
    if (count > (bytes_.size() - at_) / bytes_each) return static_cast<std::size_t>(fault());
    return static_cast<std::size_t>(count);
  }

  std::uint64_t place(std::uint64_t from, std::uint64_t limit) {
    const std::uint64_t size = number();
    if (size > limit - from) fault();
    return is_good_ ? from + size : from;
  }

  std::optional<std::string_view> optional_text() {
    const std::size_t here = at_;
    const std::uint64_t n = number();
    const std::uint64_t value = n >> 2U;
    switch (n & 3U) {
      case kTextBytes:
        return take(value);
      case kTextWord:
        if (value >= std::size(kWords)) break;
        return kWords[value];
      case kTextEarlier: {
        const std::uint64_t back = number();
        if (back > here - begin_ || value > back) break;
        return bytes_.substr(here - static_cast<std::size_t>(back),
                             static_cast<std::size_t>(value));
      }
      default:
        if (n == kTextNone) return std::nullopt;
    }
    fault();
    return std::nullopt;
  }

  std::string_view text() {
    const auto found = optional_text();
    if (!found) fault();
    return found.value_or("");
  }

  void parameters(Parameters& into) {
    into.resize(count_of(2));
    for (auto& [name, value] : into) {
      name = text();
      value = text();
    }
  }

  void children(PartFacts& part, std::size_t depth) {
    const bool is_message = part.type == "message" && part.subtype == "rfc822";
    if (!is_message && part.type != "multipart") return void(fault());
    if (is_message) part.inner = header();
    const std::size_t count = count_of(8);
    if (count == 0 || (is_message && count != 1) || count > kPartsMax) return void(fault());
    part.children.resize(count);
    std::uint64_t at = part.body_begin;
    for (PartFacts& child : part.children) {
      this->part(child, at, part.body_end, depth + 1);
      if (!is_good_) return;
      at = child.body_end;
    }
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;  // of the header that is read: no text of it lies before
  std::size_t parts_ = 0;
  bool is_good_ = true;
};

bool wants(Half asked, Half half) {
  return (static_cast<unsigned>(asked) & static_cast<unsigned>(half)) != 0;
}

bool is_sealed(std::string_view record) {
  if (record.size() <= kRecordHead || static_cast<unsigned char>(record[0]) != kRecordVersion)
    return false;
  std::uint32_t check = 0;
  for (std::size_t i = 0; i < 4; ++i)
    check |= static_cast<std::uint32_t>(static_cast<unsigned char>(record[1 + i])) << (8 * i);
  return check == record_check(record.substr(kRecordHead));
}

// What a mail may be long, and no sum of places overflows.
constexpr std::uint64_t kPlaceMax = 1ULL << 48U;

}  // namespace

std::optional<Facts> read_record(std::string_view record, Half half) {
  if (!is_sealed(record)) return std::nullopt;
  Reader whole(record.substr(kRecordHead));
  const std::string_view header = whole.take(whole.number());
  if (!whole.is_good()) return std::nullopt;
  const auto at = static_cast<std::size_t>(header.data() - record.data()) + header.size();
  const std::string_view structure = record.substr(at);
  Facts facts;
  if (!header.empty() && wants(half, Half::header)) {
    Reader reader(header);
    facts.header = reader.header();
    if (!reader.is_good() || !reader.is_at_end()) return std::nullopt;
  }
  if (!structure.empty() && wants(half, Half::structure)) {
    Reader reader(structure);
    reader.part(facts.structure.emplace(), 0, kPlaceMax, 0);
    if (!reader.is_good() || !reader.is_at_end()) return std::nullopt;
  }
  return facts;
}

}  // namespace posthorn::search
