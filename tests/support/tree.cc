#include "tests/support/tree.h"

namespace posthorn::test {

std::filesystem::path tests_folder() {
  return POSTHORN_TESTS;
}

}  // namespace posthorn::test
