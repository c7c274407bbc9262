// Reading the folders of a maildir: which files lie in new/ and cur/. Nothing that is not a plain
// file counts: no symbolic link, folder, fifo, socket or device, no name with control characters.
// Blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/file_name.h"
#include "store/index.h"

namespace posthorn::store {

struct FolderFile {
  std::string name;
  std::size_t base_size = 0;
  bool has_info = false;
  Place place = Place::in_new;

  std::string_view base() const { return std::string_view(name).substr(0, base_size); }
  std::string_view info() const {
    return has_info ? std::string_view(name).substr(base_size + 3) : std::string_view();
  }
  FileLocation location() const;
};

struct FolderScan {
  Stamp in_new;  // from before the reading
  Stamp in_cur;
  std::vector<FolderFile> files;  // sorted by base name, then cur before new
  std::vector<std::string> junk;  // at most 100 names that were passed over
};

// A folder's or file's stamp; all zero: it is not there (or is a symbolic link).
Stamp stamp_of(const Path& path);
// Both folders. A file that moves from new/ to cur/ meanwhile is seen at least once.
Result<FolderScan> scan_maildir(const Path& maildir);
// Where the file of a base name lies now; nullopt: it is in neither folder.
Result<std::optional<FileLocation>> find_message_file(const Path& maildir, std::string_view base);
// The names of the folders (not links) in a folder.
Result<std::vector<std::string>> list_folders(const Path& path);
Result<std::vector<std::string>> list_names(const Path& path);
// Removes a folder and all in it; links are removed, not followed. Depth and number are bounded by
// the disk. Where another account may have made folders in new/, cur/ and tmp/, they are removed
// when they are empty and never entered: their owner could put a link in their place meanwhile.
enum class Planted { no, possible };
Result<> remove_tree(Disk& disk, const Path& path, Planted planted = Planted::no, int depth = 0);

}  // namespace posthorn::store
