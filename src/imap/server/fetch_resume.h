// Where the last FETCH of a range ended: a client that fetches a large message range by range is
// served on from there, and the file is read once. A session keeps it from one FETCH to the next
// (kKeepsResume in commands.h).
#pragma once

#include <cstdint>
#include <memory>

#include "store/line_ends.h"
#include "store/mailbox.h"

namespace posthorn::imap {

struct FetchResume {
  store::Uid uid = 0;
  store::OpenMessage opened;
  store::CrlfReader reader;
  std::uint64_t at = 0;  // wire bytes read so far
};
using FetchResumePtr = std::unique_ptr<FetchResume>;

}  // namespace posthorn::imap
