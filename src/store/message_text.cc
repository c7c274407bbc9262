#include "store/message_text.h"

#include <algorithm>

#include "message/headers.h"
#include "store/line_ends.h"

namespace posthorn::store {

Result<std::string> read_header(const OpenMessage& opened) {
  CrlfReader reader(opened.file, 0, opened.size);
  std::string all(std::min<std::size_t>(16'384, static_cast<std::size_t>(opened.wire_size) + 1),
                  '\0');
  TRY(const std::size_t first, reader.read(all));
  all.resize(first);
  // The first piece of nearly every mail holds its header.
  if (const auto end = message::find_header_end(all, message::Input::beginning)) {
    all.resize(end->body_begin);
    return all;
  }
  message::HeaderCollector collector;
  collector.feed(all);
  std::string piece;
  while (!collector.is_whole()) {
    piece.resize(16'384);
    TRY(const std::size_t n, reader.read(piece));
    if (n == 0) break;
    collector.feed(std::string_view(piece).substr(0, n));
    if (all.size() <= message::kHeaderMax) all.append(piece, 0, n);
  }
  all.resize(message::find_header_end(all, message::Input::whole)->body_begin);
  return all;
}

Result<std::string> read_text(const OpenMessage& opened) {
  return CrlfReader(opened.file, 0, opened.size).read_all(opened.wire_size + 1);
}

}  // namespace posthorn::store
