// Any bytes from the wire to the disk and back: the same in pieces of any size, whole CRLF lines
// come back byte for byte, and the sizes told are the sizes that come out.
#include "store/line_ends.h"

#include <array>

#include "tests/support/fuzz.h"

namespace {

using namespace posthorn;

// Into an output of few bytes at a time.
std::string to_wire(std::string_view text, std::size_t room) {
  store::CrlfConverter converter;
  std::string out;
  std::array<char, 64> buffer{};
  while (!text.empty()) {
    const auto step = converter.convert(text, std::span(buffer).first(room));
    test::require(step.written <= room && step.taken <= text.size());
    test::require(step.written > 0 || step.taken > 0);
    out.append(buffer.data(), step.written);
    text.remove_prefix(step.taken);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const test::Pieces pieces(test::text_of(data, size));
  std::string disk, whole;
  store::LfConverter in_pieces, at_once;
  pieces.each([&](std::string_view piece) { in_pieces.feed(piece, disk); });
  in_pieces.finish(disk);
  at_once.feed(pieces.text(), whole);
  at_once.finish(whole);
  test::require(disk == whole && in_pieces.size() == disk.size());
  test::require(in_pieces.wire_size() == at_once.wire_size());

  std::string wire;
  store::CrlfConverter converter;
  converter.append(disk, wire);
  test::require(wire.size() == in_pieces.wire_size() && wire.size() == store::wire_size_of(disk));
  test::require(to_wire(disk, 2 + size % 60) == wire);
  bool has_bare_lf = false;
  const std::string_view text = pieces.text();
  for (std::size_t i = 0; i < text.size(); ++i)
    has_bare_lf |= text[i] == '\n' && (i == 0 || text[i - 1] != '\r');
  if (!has_bare_lf) test::require(wire == text);
  return 0;
}
