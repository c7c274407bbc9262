// The spool's files as text: a message's first line, its envelope, and the lines of its log (the
// table on top of queue/spool.h). Bytes in, values out; nothing here touches the disk. A damaged
// line is found by its checksum and never believed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/fnv.h"
#include "queue/spool.h"

namespace posthorn::queue {

inline constexpr char kVersion = '2', kFirstVersion = '1';

// What a message file begins with, of fixed length: it is written again when the text is whole.
// Every version keeps its layout, so that a file of a later one is told from a damaged one.
struct Preamble {
  char version = kVersion;
  std::uint64_t envelope_size = 0;
  std::uint64_t body_size = 0;
  std::uint64_t body_checksum = kFnvStart;
};
inline constexpr std::size_t kPreambleSize = 67;
std::string format_preamble(const Preamble& preamble, std::string_view envelope);
// nullopt: it is no spool file's. The envelope's checksum is for the caller to look at, by
// format_preamble().
std::optional<Preamble> parse_preamble(std::string_view text);

std::string format_envelope(const Stored& stored);
// stored.version is the file's.
Result<> parse_envelope(std::string_view line, Stored& stored);

std::string format_record(const LogRecord& record);
// The length of the whole lines with a right checksum; what follows the first bad one is not
// believed.
std::size_t sound_size(std::string_view log);
// log: sound.
std::vector<LogRecord> parse_log(std::string_view log);
void apply_log(std::string_view log, Stored& stored);

}  // namespace posthorn::queue
