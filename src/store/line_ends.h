// Line ends: messages travel with CRLF (the wire form) and lie in the maildir with LF, as Dovecot
// has it.
//   wire -> disk  CR LF becomes LF, unless the byte before is a CR too; everything else stays.
//   disk -> wire  LF becomes CR LF, unless the byte before is a CR.
// So every message with whole CRLF lines comes out byte for byte, a lone CR included; a bare LF
// comes out as CRLF. Both directions take pieces of any size and copy each byte once. Sans-I/O but
// for CrlfReader, which reads a file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace posthorn::store {

// Wire to disk. wire_size() is what CrlfReader will give for all that came out.
class LfConverter {
 public:
  void feed(std::string_view piece, std::string& out);  // appends to out
  void finish(std::string& out);  // the message ended: a CR that was held back
  std::uint64_t size() const { return size_; }
  std::uint64_t wire_size() const { return size_ + bare_lf_; }

 private:
  void put(std::string_view bytes, std::string& out);

  std::uint64_t size_ = 0;
  std::uint64_t bare_lf_ = 0;
  bool held_cr_ = false;  // a CR whose next byte is not known yet
  char last_ = '\0';      // the last byte that came out
};

// Disk to wire. before: the byte in front of the first one ('\0' at the beginning of a file).
class CrlfConverter {
 public:
  explicit CrlfConverter(char before = '\0') : last_(before) {}
  // Converts as much as fits: at most out.size() bytes written, the rest of in stays.
  struct Step {
    std::size_t taken = 0;
    std::size_t written = 0;
  };
  Step convert(std::string_view in, std::span<char> out);
  void append(std::string_view in, std::string& out);

 private:
  char last_;
};

// How many bytes text has in wire form; before as above.
std::uint64_t wire_size_of(std::string_view text, char before = '\0');

// The wire form of a range [begin, end) of a file's physical bytes, piece by piece. Blocks (run it
// in the pool); holds one buffer of at most 64 KiB, made at the first read.
class CrlfReader {
 public:
  CrlfReader() = default;
  // A NUL may stand in no literal (RFC 3501 section 9, CHAR8): clients are shown 0x80, as Dovecot
  // does.
  enum class Nul { shown, kept };
  CrlfReader(const File& file, std::uint64_t begin, std::uint64_t end, Nul nul = Nul::shown);

  // Fills out with wire bytes; fewer than out.size() only at the end of the range, 0 behind it.
  Result<std::size_t> read(std::span<char> out);
  // Passes over wire bytes (BODY[]<origin.n>); fewer only at the end of the range.
  Result<std::uint64_t> skip(std::uint64_t count);
  // All that is left, at most max bytes.
  Result<std::string> read_all(std::uint64_t max);

 private:
  Result<bool> fill();  // false: the range has ended

  const File* file_ = nullptr;
  std::uint64_t at_ = 0;
  std::uint64_t end_ = 0;
  Nul nul_ = Nul::shown;
  bool begun_ = false;
  std::string buffer_;
  std::string_view left_;
  CrlfConverter converter_;
};

// The wire size of a range of a file, counted. Blocks.
Result<std::uint64_t> count_wire_size(const File& file, std::uint64_t begin, std::uint64_t end);

}  // namespace posthorn::store
