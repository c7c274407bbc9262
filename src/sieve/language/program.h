// A script that was checked, in little memory and never changed: texts in one string, calls in one
// array. One program serves any number of runs on any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sieve/language/rows.h"

namespace posthorn::sieve {

struct Text {
  std::uint32_t at = 0;  // in Program::texts
  std::uint32_t size : 31 = 0;
  std::uint32_t has_variables : 1 = 0;  // "${name}" stands in it
};

struct Arg {
  const TagRow* tag = nullptr;  // nullptr: a positional one
  Kind kind = Kind::number;
  bool has_value = true;    // a tag alone has none
  std::uint32_t first = 0;  // in Program::strings
  std::uint32_t count = 0;
  std::uint64_t number = 0;
};

// How one call compares, and what its tags made of it; many calls of a script do it the same way,
// and share it.
struct Comparison {
  Matching matching = {};
  const AddressPartRow* address_part = nullptr;
  // Of a tag that makes another test or command of it; nullptr: the row's own.
  RunTest test = nullptr;
  RunCommand command = nullptr;
  bool operator==(const Comparison&) const = default;
};

// A command or a test as it is called.
struct Node {
  const CommandRow* command = nullptr;
  const TestRow* test = nullptr;
  std::uint32_t comparison = 0;  // in Program::comparisons; 0: it compares nothing
  std::uint32_t args = 0;        // the first in Program::arguments; positional ones first, in order
  std::uint32_t tests = 0;       // the first in Program::nodes
  std::uint32_t block = 0;       // the first in Program::nodes
  std::uint32_t block_count = 0;
  std::uint32_t tests_count = 0;
  std::uint32_t extra = 0;  // the row's own
  std::uint32_t line = 0;
  std::uint16_t args_count = 0;
};

class Program {
 public:
  std::string name;  // of the script, for logs and traces
  std::string texts;
  std::vector<Text> strings;
  std::vector<Arg> arguments;
  std::vector<Node> nodes;
  std::vector<Comparison> comparisons = {{}};
  std::uint32_t commands = 0;  // the first of the script's own commands in nodes
  std::uint32_t commands_count = 0;
  std::vector<std::shared_ptr<const Program>> included;
  std::vector<const Extension*> required;

  std::string_view text(const Text& text) const {
    return std::string_view(texts).substr(text.at, text.size);
  }
  bool requires_extension(std::string_view extension) const;
  std::size_t memory() const;  // bytes
};

using ProgramPtr = std::shared_ptr<const Program>;

}  // namespace posthorn::sieve
