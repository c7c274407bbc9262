// The command line as values: every command with its options and its sentence. Manual pages and
// completion are made of it, so they can say nothing that --help does not; the library that reads
// the words is not needed to look at it.
#pragma once

#include <string>
#include <vector>

namespace posthorn::tools {

// An option, or a word that is known by its place.
struct Argument {
  std::vector<std::string> names;    // "-c", "--config"; of a place: its one name
  std::string about;                 // a sentence
  std::string value;                 // "TEXT"; empty: it takes none
  std::string bounds;                // "0 - 61345"; empty: any
  std::vector<std::string> choices;  // the only values, where they are few
  bool is_required = false;
  bool may_repeat = false;
};

struct Command {
  std::string name;
  std::string about;
  std::vector<Argument> options;
  std::vector<Argument> places;
  std::vector<Command> commands;
};

struct ExitCode {
  std::string_view code;  // "78", or several: "64 to 78"
  std::string_view meaning;
};

}  // namespace posthorn::tools
