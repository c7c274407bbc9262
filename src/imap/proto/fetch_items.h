// What a FETCH asks for (RFC 3501 section 6.4.5, RFC 8474 section 5), as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "imap/proto/parser.h"

namespace posthorn::imap {

// A part of the text: BODY[1.2.HEADER.FIELDS (TO)]<0.100>.
struct Section {
  enum class Kind { all, header, header_fields, header_fields_not, text, mime };
  std::vector<std::uint32_t> path;
  Kind kind = Kind::all;
  std::vector<std::string> fields;
  bool peek = false;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> partial;
  std::string label;  // as it is answered: "BODY[1.HEADER]<0>"
};

struct Items {
  bool uid = false, flags = false, date = false, size = false, envelope = false, body = false,
       structure = false, email_id = false, thread_id = false;
  std::vector<Section> sections;
};

// "ALL", "FLAGS", "(UID BODY.PEEK[])" up to the end of the command; nullopt: there is a fault in
// it.
std::optional<Items> parse_items(Parser& parser);

}  // namespace posthorn::imap
