// TableEdits: text files as a command changes them. All changes are made in memory, the tables that
// would be are checked together, and only then the files are written: first every new text beside
// its file, then one rename a file, in the order in which they were first changed. A crash between
// two renames leaves whole files; whoever changes several begins with the one that may stand alone.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "config/config.h"

namespace posthorn::tools {

class EditedText {
 public:
  explicit EditedText(Path path) : path_(std::move(path)) {}
  const Path& path() const { return path_; }
  // As it would be. Empty where there is no file.
  Result<const std::string*> text();
  // Of a text that was read: what is to be checked against a change of somebody else's.
  void set(std::string text, std::size_t turn);
  bool is_changed() const { return turn_ != 0; }
  std::size_t turn() const { return turn_; }

  // The two halves of writing it. prepare: somebody else's edit meanwhile is an Error.
  Result<> prepare();
  Result<> put_in_place();
  void forget();  // what was prepared

 private:
  Result<> check_unchanged() const;
  Path path_;  // as the configuration names it
  Path real_;  // what a symbolic link leads to
  Path made_;  // the new text, beside it
  std::string text_;
  struct stat stat_{};
  bool is_read_ = false;
  bool is_new_ = false;
  std::size_t turn_ = 0;  // of the first change; 0: none
};

class TableEdits {
 public:
  explicit TableEdits(const config::Config& config) : config_(config) {}
  EditedText& file(const Path& path);
  void change(EditedText& file, std::string text) { file.set(std::move(text), ++turns_); }
  // Faults that the tables would have and have not now are an Error, and nothing is written.
  Result<> check();
  Result<> write();

 private:
  const config::Config& config_;
  std::map<Path, std::unique_ptr<EditedText>> files_;
  std::size_t turns_ = 0;
};

}  // namespace posthorn::tools
