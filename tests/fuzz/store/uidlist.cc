// Any bytes as a dovecot-uidlist: what is taken is ascending, below next, free of line ends and
// slashes; and what we write of it reads back the same.
#include "store/uidlist.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace posthorn::store;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto list = parse_uidlist(text);
  if (!list) return 0;
  Uid last = 0;
  std::string again = format_uidlist_header(list->uidvalidity, list->leased, "0123", 7);
  for (const UidList::Line& line : list->lines) {
    if (line.uid <= last || line.uid >= list->next || line.base.empty()) std::abort();
    if (line.base.find_first_of("\n/") != std::string_view::npos) std::abort();
    last = line.uid;
    append_uidlist_line(line.uid, line.base, again);
  }
  if (list->next < list->leased) std::abort();
  const auto back = parse_uidlist(again);
  if (!back || back->uidvalidity != list->uidvalidity || back->next != list->next ||
      !back->is_ours || back->modseq != 7 || back->is_torn ||
      back->lines.size() != list->lines.size())
    std::abort();
  for (std::size_t i = 0; i < back->lines.size(); ++i)
    if (back->lines[i].base != list->lines[i].base || back->lines[i].uid != list->lines[i].uid)
      std::abort();
  return 0;
}
