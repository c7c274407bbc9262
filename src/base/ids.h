// Identifiers and randomness. Session and queue ids are short, upper-case and free of look-alikes,
// so that one can read them aloud and grep for them.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"

namespace posthorn {

// Cryptographically strong; ends the process if the kernel has none to give.
std::string random_bytes(std::size_t count);
// count random bytes as 2*count lower-case hex digits.
std::string random_hex(std::size_t count);
// 8 characters of Crockford's base 32 (40 bits): unique enough for the life of a log.
std::string make_session_id();
// 13 characters: 8 of milliseconds (sortable by arrival), 5 random. Unique on one machine even when
// the clock goes back; the spool opens with O_EXCL and asks for another on a clash.
std::string make_queue_id(WallTime now);

}  // namespace posthorn
