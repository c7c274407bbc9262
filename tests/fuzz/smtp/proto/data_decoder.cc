// Any bytes after DATA: the decoder agrees with the shortest possible reading of RFC 5321 section
// 4.5.2 (the end is CRLF.CRLF and nothing else), and gives the same in pieces of any size. Behind
// it the line ends: CRLF lines come out, no byte but of line ends is changed, in pieces as whole.
#include "smtp/proto/data_decoder.h"

#include "smtp/proto/line_ends.h"
#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

struct Decoded {
  std::string text;
  std::size_t taken = 0;
  bool ended = false;
  bool behind_cr = false, has_bare = false, has_long_line = false;
  std::string mended;
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
  smtp::DataDecoder decoder;
  smtp::LineEnds line_ends(100);
  std::string room;
  pieces.each([&](std::string_view piece) {
    if (out.ended) return;
    const std::size_t before = piece.size();
    out.ended = decoder.feed(piece, [&](std::string_view bytes) {
      out.text += bytes;
      out.mended += line_ends.feed(bytes, room);
    });
    test::require(out.ended || piece.empty());
    out.taken += before - piece.size();
  });
  out.mended += line_ends.finish();
  out.behind_cr = out.ended && decoder.ended_behind_cr();
  out.has_bare = line_ends.has_bare();
  out.has_long_line = line_ends.has_long_line();
  return out;
}

// RFC 5321 section 2.3.8, the shortest way.
std::string mended(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text.substr(i, 2) == "\r\n") {
      out += "\r\n";
      ++i;
    } else if (text[i] == '\n') {
      out += "\r\n";
    } else {
      out += text[i] == '\r' ? ' ' : text[i];
    }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::Pieces pieces(test::text_of(data, size));
  const Decoded in_pieces = decode(pieces);
  const Decoded whole = decode(test::Pieces(std::string(1, '\0') + std::string(pieces.text())));
  test::require(in_pieces.ended == whole.ended && in_pieces.taken == whole.taken);
  // Of a message that did not end, more or less of the last bytes may be held back.
  if (whole.ended) test::require(in_pieces == whole);
  const Decoded wanted = by_the_rfc(pieces.text());
  test::require(whole.ended == wanted.ended && whole.taken == wanted.taken);
  if (whole.ended) {
    test::require(whole.text == wanted.text);
    test::require(whole.mended == mended(wanted.text));
    test::require(whole.has_bare == (whole.mended != wanted.text));
    const std::string_view read = pieces.text().substr(0, whole.taken);
    test::require(whole.behind_cr == ("\r\n" + std::string(read)).ends_with("\r\r\n.\r\n"));
  } else {
    // What is held back at most: the dot and the CR of what may be the end.
    test::require(wanted.text.starts_with(whole.text) &&
                  wanted.text.size() - whole.text.size() <= 2);
  }
  return 0;
}
