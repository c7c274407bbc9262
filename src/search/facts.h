// What the text of a message says, as values: the header fields of its envelope with their
// addresses (RFC 5322 section 3.6, RFC 3501 section 7.4.2) and the structure of its parts with
// their places in the text (RFC 2045, 2183, 3501). All texts are views into the record that they
// were read from (search/record.h), which must outlive them. Nothing here is in the form of a
// protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace posthorn::search {

// As message::Address: a group begins with one that has a mailbox and no host, and ends with one
// that has neither.
struct Address {
  std::optional<std::string_view> name, route, mailbox, host;
  bool operator==(const Address&) const = default;
};

// The fields that are kept. Their numbers stand in records.
enum class FieldName : std::uint8_t {
  date,
  subject,
  from,
  sender,
  reply_to,
  to,
  cc,
  bcc,
  in_reply_to,
  message_id
};
inline constexpr std::uint8_t kFieldNames = 10;

std::string_view to_string(FieldName name);                       // "Reply-To"
std::optional<FieldName> find_field_name(std::string_view name);  // in any case
bool has_addresses(FieldName name);

struct Field {
  FieldName name{};
  std::string_view value;          // unfolded and trimmed, still encoded
  std::vector<Address> addresses;  // of a field that has some
  bool operator==(const Field&) const = default;
};

// Every field of these names, in the order of the header.
struct HeaderFacts {
  std::vector<Field> fields;

  const Field* find(FieldName name) const;  // the first; nullptr: there is none
  bool operator==(const HeaderFacts&) const = default;
};

using Parameters = std::vector<std::pair<std::string_view, std::string_view>>;

// As message::Part.
struct PartFacts {
  std::string_view type, subtype, encoding;  // lower case
  Parameters parameters;
  std::optional<std::string_view> id, description, md5, location, disposition;
  Parameters disposition_parameters;
  std::vector<std::string_view> languages;

  // Places in the wire text (CRLF).
  std::uint64_t header_begin = 0, body_begin = 0, body_end = 0;
  std::uint64_t lines = 0;          // of the body
  HeaderFacts inner;                // of the message inside a message/rfc822
  std::vector<PartFacts> children;  // multipart: its parts; message/rfc822: the one message

  bool is_multipart() const { return type == "multipart" && !children.empty(); }
  bool is_message() const { return type == "message" && subtype == "rfc822" && !children.empty(); }
  bool operator==(const PartFacts&) const = default;
};

struct Facts {
  std::optional<HeaderFacts> header;   // nullopt: not kept, or not asked for
  std::optional<PartFacts> structure;  // likewise
};

}  // namespace posthorn::search
