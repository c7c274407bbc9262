// Any bytes as a body, a header and a list of tags: the canonical forms do not depend on the sizes
// of pieces, made canonical twice they are so once, lines stay short, and what a signature's field
// says can be read from it.
#include "message/dkim.h"

#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;
using message::Canonicalization;

std::string whole(std::string_view text, Canonicalization form) {
  std::string out;
  message::BodyCanonicalizer body(form, [&](std::string_view bytes) { out += bytes; });
  body.feed(text);
  body.finish();
  return out;
}

void check_body(const test::Pieces& pieces, Canonicalization form) {
  const std::string once = whole(pieces.text(), form);
  std::string cut;
  message::BodyCanonicalizer body(form, [&](std::string_view bytes) { cut += bytes; });
  pieces.each([&](std::string_view piece) { body.feed(piece); });
  body.finish();
  test::require(cut == once);
  test::require(whole(once, form) == once);
  test::require(once.empty() || once.ends_with("\r\n"));
  test::require(!once.ends_with("\r\n\r\n") || form == Canonicalization::simple);
  test::require(once.size() <= pieces.text().size() + 2);
  if (form == Canonicalization::relaxed)
    for (const std::string_view never : {"  ", "\t", " \r\n"})
      test::require(once.find(never) == std::string::npos);
}

void check_header(std::string_view text) {
  const message::Headers headers(text);
  for (const message::Field& field : headers.fields()) {
    const std::string once = message::canonical_field(field.raw, Canonicalization::relaxed);
    test::require(message::canonical_field(once, Canonicalization::relaxed) == once);
    test::require(once.ends_with("\r\n") && once.find('\n') == once.size() - 1);
  }
  const auto fields = message::choose_signed_fields(headers);
  for (const auto& [name, field] : fields)
    test::require(field == nullptr || equals_ignoring_case(field->name, name));
  const auto domain = message::find_signing_domain(headers);
  test::require(!domain || message::is_dkim_name(*domain));
  message::SignatureTags tags{.algorithm = "rsa-sha256",
                              .domain = domain.value_or("example.org"),
                              .selector = "mail",
                              .body_hash = "AAAA",
                              .time = 1,
                              .expires = 2};
  const std::string field = message::finish_signature_field(
      message::make_signature_field(tags, fields), std::string(88, 'A'));
  const message::Headers read(field);
  test::require(read.fields().size() == 1 && read.fields().front().raw.size() == field.size());
  test::require(message::has_signature(read, tags.domain, tags.selector));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 100'000) return 0;
  const test::Pieces pieces(test::text_of(data, size));
  check_body(pieces, Canonicalization::simple);
  check_body(pieces, Canonicalization::relaxed);
  check_header(pieces.text());
  if (const auto tags = message::parse_tags(pieces.text()))
    for (const auto& [name, value] : *tags) {
      test::require(!name.empty() && message::find_tag(*tags, name) == value);
      test::require((name + value).find_first_of(" \t\r\n;") == std::string::npos);
    }
  const std::string line = message::make_zone_line("a", pieces.text());
  test::require(line.size() >= pieces.text().size());
  return 0;
}
