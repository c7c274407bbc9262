// posthorn: one program, every role and tool. The last place where an exception of a library ends.
#include <cstdio>
#include <exception>

#include "app/command_line.h"

int main(int argc, char** argv) {
  try {
    return posthorn::app::run_command_line(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "posthorn: %s\n", error.what());
    return 70;  // EX_SOFTWARE
  }
}
