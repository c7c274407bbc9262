// The record of a message as it is written: record.h has its form.
#include <algorithm>
#include <array>
#include <cstring>

#include "message/address.h"
#include "message/headers.h"
#include "message/part.h"
#include "search/record.h"
#include "search/record_form.h"

namespace posthorn::search {
namespace {

// How far behind the last address the bytes of the next are looked for in their field's value: no
// mail makes this long.
constexpr std::size_t kLookAhead = 256;
constexpr std::size_t kEarlierMin = 3;  // bytes from which on a place is shorter than they are

class Writer {
 public:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) out_ += static_cast<char>(value | 0x80U);
    out_ += static_cast<char>(value);
  }

  void bytes(std::string_view text) {
    number(text.size() << 2U | kTextBytes);
    out_ += text;
  }

  void text(std::string_view text) {
    const auto* const word = std::ranges::find(kWords, text);
    if (word == std::end(kWords)) return bytes(text);
    number(static_cast<std::uint64_t>(word - std::begin(kWords)) << 2U | kTextWord);
  }

  void header(const message::Headers& headers) {
    values_ = 0;
    std::vector<std::pair<FieldName, const message::Field*>> kept;
    for (const message::Field& field : headers.fields())
      if (const auto name = find_field_name(field.name)) kept.emplace_back(*name, &field);
    number(kept.size());
    std::array<std::size_t, kFieldNames> addresses{};  // of each name up to here
    for (const auto& [name, field] : kept) {
      out_ += static_cast<char>(name);
      const std::string value = message::unfold(field->value);
      const std::size_t place = put_value(value);
      if (!has_addresses(name)) continue;
      // Of one field so many are read; ten thousand fields of a name do not make it more.
      std::size_t& count = addresses[static_cast<std::size_t>(name)];
      std::vector<message::Address> found;
      if (count < message::kAddressesMax) found = message::parse_addresses(value);
      count += found.size();
      put_addresses(found, value, place);
    }
  }

  void part(const message::Part& part, std::string_view wire, std::uint64_t from) {
    const auto bit = [](bool has, PartHas what) { return has ? static_cast<unsigned>(what) : 0U; };
    out_ += static_cast<char>(
        bit(!part.parameters.empty(), kHasParameters) | bit(part.id.has_value(), kHasId) |
        bit(part.description.has_value(), kHasDescription) | bit(part.md5.has_value(), kHasMd5) |
        bit(part.location.has_value(), kHasLocation) |
        bit(part.disposition.has_value(), kHasDisposition) |
        bit(!part.languages.empty(), kHasLanguages) | bit(!part.children.empty(), kHasChildren));
    text(part.type);
    text(part.subtype);
    text(part.encoding);
    if (!part.parameters.empty()) parameters(part.parameters);
    for (const auto* optional : {&part.id, &part.description, &part.md5, &part.location})
      if (*optional) text(**optional);
    if (part.disposition) {
      text(*part.disposition);
      parameters(part.disposition_parameters);
    }
    if (!part.languages.empty()) {
      number(part.languages.size());
      for (const std::string& language : part.languages) text(language);
    }
    number(part.header_begin - from);
    number(part.body_begin - part.header_begin);
    number(part.body_end - part.body_begin);
    number(part.lines);
    if (part.children.empty()) return;
    if (part.is_message()) {
      const message::Part& inner = part.children.front();
      header(
          message::Headers(wire.substr(inner.header_begin, inner.body_begin - inner.header_begin)));
    }
    number(part.children.size());
    std::uint64_t at = part.body_begin;
    for (const message::Part& child : part.children) {
      this->part(child, wire, at);
      at = child.body_end;
    }
  }

  std::string take() { return std::move(out_); }

 private:
  // The value's place in out_. Sender and Reply-To often say what From said.
  std::size_t put_value(const std::string& value) {
    for (std::size_t i = 0; i < values_; ++i) {
      const Value& before = earlier_[i];
      if (std::string_view(out_).substr(before.place, before.size) != value) continue;
      earlier(before.place, value.size());
      return before.place;
    }
    bytes(value);
    const std::size_t place = out_.size() - value.size();
    if (value.size() >= kEarlierMin && values_ < earlier_.size())
      earlier_[values_++] = {place, value.size()};
    return place;
  }

  void put_addresses(const std::vector<message::Address>& addresses, std::string_view value,
                     std::size_t place) {
    number(addresses.size());
    std::size_t from = 0;
    for (const message::Address& address : addresses) {
      std::size_t end = from;
      for (const auto* item : {&address.name, &address.route, &address.mailbox, &address.host}) {
        if (!*item) {
          number(kTextNone);
          continue;
        }
        const std::string& said = **item;
        const std::size_t found = said.size() < kEarlierMin
                                      ? std::string_view::npos
                                      : value.substr(from, said.size() + kLookAhead).find(said);
        if (found == std::string_view::npos) {
          text(said);
        } else {
          earlier(place + from + found, said.size());
          end = std::max(end, from + found + said.size());
        }
      }
      from = end;
    }
  }

  void earlier(std::size_t place, std::size_t size) {
    const std::size_t here = out_.size();
    number(size << 2U | kTextEarlier);
    number(here - place);
  }

  void parameters(const message::Parameters& parameters) {
    number(parameters.size());
    for (const auto& [name, value] : parameters) {
      text(name);
      text(value);
    }
  }

  struct Value {
    std::size_t place = 0, size = 0;
  };

  std::string out_;
  std::array<Value, 4> earlier_{};
  std::size_t values_ = 0;
};

std::string content_of(std::string_view header, std::string_view structure) {
  Writer writer;
  writer.number(header.size());
  std::string content = writer.take();
  content += header;
  content += structure;
  return content;
}

std::string pack_header(std::string_view block) {
  Writer writer;
  writer.header(message::Headers(block));
  return writer.take();
}

}  // namespace

std::string make_header_record(std::string_view header) {
  return seal_record(content_of(pack_header(header), {}));
}

std::string make_record(std::string_view text) {
  const message::Part root = message::parse_parts(text);
  Writer writer;
  writer.part(root, text, 0);
  return seal_record(content_of(pack_header(text.substr(0, root.body_begin)), writer.take()));
}

std::string seal_record(std::string_view content) {
  std::string record(1, static_cast<char>(kRecordVersion));
  const std::uint32_t check = record_check(content);
  for (unsigned shift = 0; shift < 32; shift += 8)
    record += static_cast<char>(check >> shift & 0xFFU);
  record += content;
  return record;
}

// Not against an attacker, who would have the disk: against a row that was cut off or damaged.
std::uint32_t record_check(std::string_view content) {
  std::uint64_t sum = content.size() ^ 0x9E37'79B9'7F4A'7C15U;
  while (!content.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min(content.size(), sizeof word);
    std::memcpy(&word, content.data(), size);
    content.remove_prefix(size);
    sum = (sum ^ word) * 0xBF58'476D'1CE4'E5B9U;
    sum ^= sum >> 31U;
  }
  sum *= 0x94D0'49BB'1331'11EBU;
  return static_cast<std::uint32_t>(sum ^ sum >> 32U);
}

}  // namespace posthorn::search
