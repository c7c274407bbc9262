// Folder: paths.acme, and nothing beside it. Every name is opened below one descriptor, and a link
// is followed nowhere: who can write here (the role acme was taken over, or its group's another)
// leads no one elsewhere. Blocks: on a role it runs in net::BlockingPool.
//
// What a crash leaves, step by step, when a pair is put in place (put_pair):
//
//   1 ".NAME.pem.new.…" is written and synced   the old pair serves; clean() removes the other
//   2 the old pair is linked into retired/       the old pair serves; it stands there twice
//   3 the new one is renamed to NAME.pem         the new pair serves, whole: key and chain are one
//   4 the folder is synced                       the same, also when the power goes
//
// All other files (state.json, an account's) are replaced in the steps 1, 3 and 4. The account's
// key is on disk before the authority sees it, so that no account is ever lost: a second request
// with the same key finds it again (RFC 8555 section 7.3.1).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace posthorn::acme {

class Folder {
 public:
  // The folder must be there, and be one: a link is none.
  static Result<std::unique_ptr<Folder>> open(const Path& path);
  virtual ~Folder() = default;

  // nullopt: there is no such file. An Error: it is a link, a device, or larger.
  Result<std::optional<std::string>> read(const std::string& name, std::size_t size_max) const;
  // All names, sorted, but those of half-written files.
  Result<std::vector<std::string>> list() const;
  enum class Reader { owner, group };  // group: the folder's own group may read it
  Result<> replace(const std::string& name, std::string_view bytes, Reader reader);
  // name: of the certificate, "mx.example.org".
  Result<> put_pair(const std::string& name, std::string_view pem);
  // Out of use: into retired/, where one of each name is kept.
  Result<> retire(const std::string& file);
  // Half-written files of a process that ended.
  Result<> clean();

 protected:
  // The steps that a test lets fail.
  struct Places {
    File folder, retired;
  };
  explicit Folder(Places places) : places_(std::move(places)) {}
  static Result<Places> open_places(const Path& path);
  virtual Result<> write_new(const std::string& name, std::string_view bytes, Reader reader);
  virtual Result<> keep_old(const std::string& name);
  virtual Result<> rename(const std::string& from, const std::string& to);
  virtual Result<> sync();

 private:
  Places places_;
};

// A certificate's name as a file's: of the letters of host names alone, so that no name leads
// elsewhere; an Error: it has others.
Result<std::string> pair_file(const std::string& name);

}  // namespace posthorn::acme
