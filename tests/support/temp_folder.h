// A folder that lives as long as the test, and files in it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/file.h"

namespace posthorn::test {

// "" where there is no such file.
inline std::string read_text(const Path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(const Path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}
// In order.
inline std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().native());
  std::ranges::sort(names);
  return names;
}

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
    write_text(path_ / name, text);
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
