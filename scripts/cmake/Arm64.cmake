# A toolchain: Debian's arm64, built on another machine with its own clang, against the libraries that
# `scripts/setup --build arm64` installs beside the machine's own. With qemu's user mode the program writes its manual pages.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_STRIP llvm-strip-19)
# What CMake tries while it looks around is linked as the program is.
set(CMAKE_EXE_LINKER_FLAGS_INIT -fuse-ld=lld)
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
find_program(ARM64_EMULATOR NAMES qemu-aarch64-static qemu-aarch64)
if(ARM64_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${ARM64_EMULATOR})
endif()
