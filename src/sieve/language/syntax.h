// A script as a tree (RFC 5228 section 8.2): commands with their arguments, tests and blocks. It
// knows no command by name. What is wrong is told with its place, all of it: after a fault it goes
// on at the next command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/lexer.h"

namespace posthorn::sieve {

// A fault or a doubt about a script, as the one who wrote it reads it: one sentence.
struct Fault {
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // from 1, in bytes
  std::string text;
};

inline constexpr std::size_t kFaultsMax = 100;  // told of one script

namespace syntax {

struct Argument {
  enum class Kind { number, tag, string, list };
  Kind kind = Kind::number;
  Position at;
  std::uint64_t number = 0;
  std::string tag;           // without its colon
  std::vector<Token> texts;  // of a string: one; of a list: each
};

// A command or a test.
struct Item {
  Position at;
  std::string name;
  std::vector<Argument> arguments;
  std::vector<Item> tests;
  bool has_parentheses = false;  // around its tests
  std::vector<Item> block;
  bool has_block = false;
};

struct Tree {
  std::vector<Item> commands;
  std::vector<Fault> faults;
};

// depth_max: of blocks and tests in one another.
Tree parse(std::string_view script, std::size_t depth_max);

}  // namespace syntax
}  // namespace posthorn::sieve
