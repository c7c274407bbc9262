// Any bytes after DATA: the decoder agrees with the shortest possible reading of RFC 5321 section
// 4.5.2 (the end is CRLF.CRLF and nothing else), and gives the same in pieces of any size.
#include "smtp/proto/data_decoder.h"

#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

struct Decoded {
  std::string text;
  std::size_t taken = 0;
  bool ended = false;
  smtp::DataDecoder::Fault fault = smtp::DataDecoder::Fault::none;
  bool operator==(const Decoded&) const = default;
};

Decoded by_the_rfc(std::string_view input) {
  Decoded out;
  // As if a CRLF stood before the first byte: so does the end of the DATA command.
  const std::string text = "\r\n" + std::string(input);
  const std::size_t end = text.find("\r\n.\r\n");
  out.ended = end != std::string::npos;
  out.taken = out.ended ? end + 3 : input.size();
  std::string_view body = std::string_view(text).substr(0, out.ended ? end + 2 : text.size());
  while (!body.empty()) {
    const std::size_t stuffed = body.find("\r\n.");
    out.text += body.substr(0, stuffed == std::string_view::npos ? body.size() : stuffed + 2);
    body.remove_prefix(stuffed == std::string_view::npos ? body.size() : stuffed + 3);
  }
  out.text.erase(0, 2);
  return out;
}

Decoded decode(const test::Pieces& pieces) {
  Decoded out;
  smtp::DataDecoder decoder(1000);
  pieces.each([&](std::string_view piece) {
    if (out.ended) return;
    const std::size_t before = piece.size();
    out.ended = decoder.feed(piece, [&](std::string_view bytes) { out.text += bytes; });
    test::require(out.ended || piece.empty());
    out.taken += before - piece.size();
  });
  out.fault = decoder.fault();
  return out;
}

bool has_bare_line_end(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\r' ? i + 1 < text.size() && text[i + 1] != '\n'
                        : text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
      return true;
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::Pieces pieces(test::text_of(data, size));
  const Decoded in_pieces = decode(pieces);
  const Decoded whole = decode(test::Pieces(std::string(1, '\0') + std::string(pieces.text())));
  test::require(in_pieces == whole);
  const Decoded wanted = by_the_rfc(pieces.text());
  test::require(whole.ended == wanted.ended && whole.taken == wanted.taken);
  if (whole.ended) {
    test::require(whole.text == wanted.text);
    const std::string_view read = pieces.text().substr(0, whole.taken);
    const bool faulty = has_bare_line_end(read) || read.find('\0') != std::string_view::npos;
    if (faulty) test::require(whole.fault != smtp::DataDecoder::Fault::none);
    if (!faulty)
      test::require(whole.fault == smtp::DataDecoder::Fault::none ||
                    whole.fault == smtp::DataDecoder::Fault::long_line);
  } else {
    // What is held back at most: the dot and the CR of what may be the end.
    test::require(wanted.text.starts_with(whole.text) &&
                  wanted.text.size() - whole.text.size() <= 2);
  }
  return 0;
}
