// What an account's mail has brought about and must not bring about again: who was answered for
// which vacation, which ids `duplicate` has seen, what the owner was told. A file in the account's
// home, in which strangers' names do not stand: only digests of them.
//
//   posthorn-remembered   "a 1790000000 0f3c…\n" a line: kind, when it is forgotten (seconds since
//                         1970), 32 hex digits. The last line of a digest counts.
//
// A note is appended and synced. When more lines are dead than alive the file is written anew in
// the place of the old one. What a crash leaves: the line or not; half a line is passed over, and
// the file written anew before the next one. It is bounded (kNotesMax of each kind) and asked in
// constant time. Blocks: whoever calls it is in the pool. Never used by two at once
// (lda/memories.h).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

namespace posthorn::lda {

enum class Remembered : char {
  answer = 'a',  // id: the sender that was answered; handle: the vacation's
  seen = 's',    // RFC 7352; handle and id: the script's
  told = 't',    // the owner, of something; id: of what
  sent = 'n'     // a notification or report for a message; id: names the message
};

struct Note {
  Remembered kind = Remembered::answer;
  std::string handle;
  std::string id;
};

class Memory {
 public:
  static constexpr std::size_t kNotesMax = 10'000;  // of each kind

  Memory(Disk& disk, Path path) : disk_(disk), path_(std::move(path)) {}

  // To be called first. A file that is damaged gives what can be read of it.
  Result<> load(WallTime now);
  bool has(const Note& note, WallTime now) const;

  // full: no more of this kind can be remembered, and this was not. That is so of answers alone:
  // forgetting one of them would answer somebody twice. Of the others those go first that would be
  // forgotten soonest.
  enum class Noted { durable, full };
  // An Error: it was not noted.
  Result<Noted> note(const Note& note, WallTime now, std::chrono::seconds period);
  // What was noted for something that then could not be done.
  Result<> forget(const Note& note, WallTime now);

  std::size_t size() const;

 private:
  using Second = std::int64_t;          // since 1970
  using Digest = std::array<char, 32>;  // hex
  struct Hash {
    std::size_t operator()(const Digest& digest) const;
  };
  using Notes = std::unordered_map<Digest, Second, Hash>;  // and when each is forgotten
  static constexpr std::string_view kKinds = "astn";

  static Digest digest_of(const Note& note);
  static std::string line_of(Remembered kind, const Digest& digest, Second end);
  Notes& of(Remembered kind) { return notes_[kKinds.find(static_cast<char>(kind))]; }
  void take_line(std::string_view line, Second now);
  bool make_room(Remembered kind, Second now);
  Result<> write(const std::string& line, Second now);
  Result<> rewrite(Second now);

  Disk& disk_;
  Path path_;
  std::array<Notes, kKinds.size()> notes_;
  std::size_t lines_ = 0;     // in the file
  bool must_rewrite_ = true;  // no file, or one that cannot be appended to
};

}  // namespace posthorn::lda
