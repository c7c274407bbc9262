// Whatever a remote server or a sender said, a notification is a multipart/report of three parts,
// each line whole and clean, with one group of fields a recipient; no text ends a line or a part.
#include "message/dsn.h"

#include "base/ascii.h"
#include "base/utf8.h"
#include "message/headers.h"
#include "message/part.h"
#include "tests/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn;
  std::string_view rest = test::text_of(data, size);
  if (rest.empty()) return 0;
  message::Dsn dsn;
  dsn.kind = (data[0] & 1U) != 0 ? message::Dsn::Kind::failed : message::Dsn::Kind::delayed;
  dsn.hostname = "mx.example";
  rest.remove_prefix(1);
  const auto take = [&] {
    const std::string text(rest.substr(0, rest.find('\xFF')));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    return text;
  };
  dsn.envelope.sender = take();
  dsn.envelope.id = take();
  do {
    message::DsnRecipient recipient;
    recipient.recipient.address = take();
    recipient.recipient.original = take();
    recipient.status = take();
    recipient.diagnostic = take();
    recipient.remote = take();
    recipient.reason = take();
    dsn.recipients.push_back(recipient);
  } while (!rest.empty() && dsn.recipients.size() < 20);
  dsn.returned = "Subject: returned\r\n";

  const std::string text = message::make_dsn(dsn);
  std::string_view lines = text;
  while (!lines.empty()) {
    std::string_view line = test::take_line(lines);
    test::require(line.ends_with('\r') && line.size() < 1300);
    line.remove_suffix(1);
    if (line.starts_with('\t')) line.remove_prefix(1);
    // What was said may be UTF-8, whole characters of it.
    test::require(is_utf8(line));
    test::require(std::ranges::none_of(
        line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }));
  }
  const message::Part root = message::parse_parts(text);
  test::require(root.is_multipart() && root.subtype == "report" && root.children.size() == 3);
  test::require(root.children[1].subtype == "delivery-status");
  const message::Headers header(std::string_view(text).substr(0, root.body_begin));
  // RFC 2045 section 6.4: 8bit is said where it is, and nowhere else.
  const std::size_t encodings = header.count("Content-Transfer-Encoding");
  test::require(encodings == (is_ascii(text) ? 0U : 1U));
  test::require(header.fields().size() == 8 + encodings && header.count("To") == 1);
  const message::Part& status = root.children[1];
  test::require(is_ascii(std::string_view(text).substr(0, root.body_begin)));
  test::require(is_ascii(
      std::string_view(text).substr(status.body_begin, status.body_end - status.body_begin)));

  // RFC 3464 section 2.1: groups of fields with an empty line between them.
  std::string_view groups = std::string_view(text).substr(
      root.children[1].body_begin, root.children[1].body_end - root.children[1].body_begin);
  std::size_t found = 0;
  while (!groups.empty()) {
    const std::size_t end = std::min(groups.find("\r\n\r\n"), groups.size());
    const std::string block(groups.substr(0, end));
    const message::Headers group(block);
    for (const message::Field& field : group.fields())
      test::require(field.name.find_first_of(" \t") == std::string_view::npos);
    if (found++ > 0) {
      test::require(group.count("Final-Recipient") == 1 && group.count("Action") == 1);
      test::require(group.count("Status") == 1 && group.fields().size() <= 7);
    } else {
      test::require(group.count("Reporting-MTA") == 1);
    }
    groups.remove_prefix(std::min(groups.size(), end + 4));
  }
  test::require(found == dsn.recipients.size() + 1);
  return 0;
}
