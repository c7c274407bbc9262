// A folder in which nobody but root can lead a path elsewhere, and the account and group of a role
// for it; only root can have one.
#pragma once

#include <cstdlib>
#include <grp.h>
#include <string>
#include <unistd.h>

#include "process/eyes.h"
#include "process/sandbox.h"

namespace posthorn::process {

class RootsFolder {
 public:
  RootsFolder() {
    if (::geteuid() != 0 || find_stranger_on_the_way("/run") || !find_account("nobody")) return;
    std::string name = "/run/posthorn-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return;
    path_ = name;
    const struct group* own = ::getgrgid(find_account("nobody")->gid);
    if (own != nullptr) group_ = own->gr_name;
  }
  ~RootsFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  RootsFolder(const RootsFolder&) = delete;
  RootsFolder& operator=(const RootsFolder&) = delete;

  bool is_there() const { return !path_.empty() && !group_.empty(); }
  const Path& path() const { return path_; }
  const std::string& group() const { return group_; }  // nobody's

 private:
  Path path_;
  std::string group_;
};

}  // namespace posthorn::process
