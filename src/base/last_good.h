// LastGood: copies of files as they last were without a fault, in a folder of the one role that
// reads them, so that a start with a fault does no worse than yesterday. A copy is no more open
// than what it was taken of. Private keys are never copied. All calls block.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/file.h"

namespace posthorn {

// "/etc/posthorn/maps/aliases" as "%etc%posthorn%maps%aliases": a name of a file, no two alike.
std::string flat_name(const Path& path);

class LastGood {
 public:
  LastGood() = default;  // keeps nothing
  explicit LastGood(Path folder) : folder_(std::move(folder)) {}

  // nullopt: none is kept (or the copy cannot be read).
  std::optional<std::string> read(const Path& source) const;
  // Writes only what is not there already.
  Result<> keep(const Path& source, std::string_view text);
  // The source was removed, and that was meant.
  void forget(const Path& source);
  bool is_on() const { return !folder_.empty(); }

 private:
  Path place_of(const Path& source) const { return folder_ / flat_name(source); }
  Path folder_;
  std::map<Path, std::size_t> kept_;  // by source: the digest of its copy, once it was looked at
};

}  // namespace posthorn
