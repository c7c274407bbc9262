// A folder that lives as long as the test, and files in it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"

namespace posthorn::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "posthorn-test-XXXXXX").native();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const Path& path() const { return path_; }
  Path write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  // What others of the machine may not read, as a key.
  Path write_secret(const std::string& name, std::string_view text) const {
    const Path path = write(name, text);
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
  }

 private:
  Path path_;
};

}  // namespace posthorn::test
