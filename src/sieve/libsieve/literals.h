// The folders and addresses that a script names, as they are written, whether it would come to them
// or not: for who looks at scripts before they are run. A script that parses is expected (RFC 5228
// section 2); nothing of it is carried out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::sieve::libsieve {

struct Literal {
  enum class Kind { folder, address };  // of fileinto, of redirect
  Kind kind = Kind::folder;
  std::string text;
  std::size_t line = 0;  // from 1
};
std::vector<Literal> find_literals(std::string_view script);

}  // namespace posthorn::sieve::libsieve
