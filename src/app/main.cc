// posthorn: one program, every role and tool. The last place where an exception of a library ends.
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <unistd.h>

#include "app/command_line.h"

// Started with one of them closed, the next file opened would take its number, and log lines would
// be written into a lock file or a stranger's connection.
static void fill_standard_descriptors() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
}

#if __has_feature(address_sanitizer)
// libsieve loses what it had parsed when a script turns out to be faulty; leaks of ours stand out.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libsieve_\n";
}
#endif

int main(int argc, char** argv) {
  fill_standard_descriptors();
  try {
    return posthorn::app::run_command_line(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "posthorn: %s\n", error.what());
    return 70;  // EX_SOFTWARE
  }
}
