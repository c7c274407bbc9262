#include "sieve/extensions/table.h"

namespace posthorn::sieve {

const Language& language() {
  static const std::vector<Extension> rows = [] {
    using namespace extension;
    std::vector<Extension> all;
    all.push_back(base_commands());
    all.push_back(base_tests());
    all.push_back(comparators());
    all.push_back(copy());
    all.push_back(ereject());
    all.push_back(fileinto());
    all.push_back(imap4flags());
    all.push_back(imapflags());
    all.push_back(reject());
    all.push_back(vacation());
    all.push_back(vacation_seconds());
    all.push_back(variables());
    return all;
  }();
  static const Language table = [] {
    Language pointers;
    for (const Extension& row : rows) pointers.push_back(&row);
    return pointers;
  }();
  return table;
}

}  // namespace posthorn::sieve
