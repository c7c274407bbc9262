# What CMakeLists.txt uses: the flags, the third-party libraries, and the reading of src/LAYERS.
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ICU 70 REQUIRED COMPONENTS uc i18n data)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
pkg_check_modules(CRYPT REQUIRED IMPORTED_TARGET libcrypt)
find_library(SIEVE2_LIBRARY sieve REQUIRED)
find_library(RE2_LIBRARY re2 REQUIRED)

# What keeps a jump from going astray: x86's landing pads, arm64's signed returns. A char is signed everywhere, as it is on
# x86, where every test runs: bytes above 127 are compared alike.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64|i[3-6]86)$")
  set(machine -fcf-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(machine -mbranch-protection=standard -fsigned-char)
endif()

# Flags that every object gets, whoever wrote it.
add_library(posthorn_flags INTERFACE)
target_compile_options(posthorn_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Wno-missing-designated-field-initializers
  -fstack-protector-strong -fstack-clash-protection ${machine} -fno-strict-overflow -fno-plt -fPIE
  "SHELL:-Xclang -fno-pch-timestamp")  # ccache tells precompiled headers apart by what they hold
target_compile_definitions(posthorn_flags INTERFACE
  ASIO_STANDALONE ASIO_HAS_CO_AWAIT ASIO_HAS_STD_COROUTINE ASIO_NO_DEPRECATED ASIO_SEPARATE_COMPILATION
  POSTHORN_VERSION="${PROJECT_VERSION}" _GLIBCXX_ASSERTIONS)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(posthorn_flags INTERFACE _FORTIFY_SOURCE=3)
  # What is built says nothing of where, so that two builds are equal: not in messages, not in what the symbols for
  # backtraces are made of, which the build id counts. Of two that fit, the last is taken.
  target_compile_options(posthorn_flags INTERFACE -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
                         -ffile-prefix-map=${CMAKE_BINARY_DIR}=./build)
endif()
target_link_options(posthorn_flags INTERFACE -pie -Wl,-z,relro,-z,now)
if(POSTHORN_SANITIZE)
  target_compile_options(posthorn_flags INTERFACE -fsanitize=${POSTHORN_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(posthorn_flags INTERFACE -fsanitize=${POSTHORN_SANITIZE})
endif()
if(POSTHORN_COVERAGE)
  target_compile_options(posthorn_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(posthorn_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
endif()
if(POSTHORN_FUZZ)
  target_compile_options(posthorn_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
include_directories(${CMAKE_SOURCE_DIR}/src)

# Third-party libraries, by the folder that may use them. A folder not named gets none of them.
set(THIRD_PARTY_base spdlog::spdlog fmt::fmt nlohmann_json::nlohmann_json OpenSSL::Crypto)
set(THIRD_PARTY_net OpenSSL::SSL OpenSSL::Crypto PkgConfig::CARES CURL::libcurl Threads::Threads)
set(THIRD_PARTY_message ICU::uc ICU::i18n ICU::data)
set(THIRD_PARTY_dns ICU::uc)
set(THIRD_PARTY_imap_proto ICU::uc)
set(THIRD_PARTY_deliver OpenSSL::Crypto)
set(THIRD_PARTY_auth OpenSSL::Crypto PkgConfig::ARGON2 PkgConfig::CRYPT)
set(THIRD_PARTY_maps PkgConfig::PQ ${RE2_LIBRARY})
set(THIRD_PARTY_sieve_extensions ${RE2_LIBRARY})
set(THIRD_PARTY_sieve_libsieve ${SIEVE2_LIBRARY})
set(THIRD_PARTY_sqlite SQLite::SQLite3)
set(THIRD_PARTY_store ICU::uc ICU::i18n OpenSSL::Crypto)
set(THIRD_PARTY_learn OpenSSL::Crypto)
set(THIRD_PARTY_acme nlohmann_json::nlohmann_json OpenSSL::Crypto)
set(THIRD_PARTY_health nlohmann_json::nlohmann_json)
set(THIRD_PARTY_process PkgConfig::SECCOMP)
set(THIRD_PARTY_tools OpenSSL::SSL)
set(THIRD_PARTY_app CLI11::CLI11 OpenSSL::SSL)

# Precompiled headers: a plain one for the sans-I/O folders, one with Asio for the rest. Compiled once each.
# Named without the checkout's place, so that ccache serves several checkouts from one cache.
include_directories(SYSTEM ${CMAKE_SOURCE_DIR}/scripts)
file(WRITE ${CMAKE_BINARY_DIR}/pch/empty.cc "")
add_library(posthorn_pch_std OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cc)
target_link_libraries(posthorn_pch_std PRIVATE posthorn_flags fmt::fmt)
target_precompile_headers(posthorn_pch_std PRIVATE <cmake/pch_std.h>)
add_library(posthorn_pch_asio OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cc)
target_link_libraries(posthorn_pch_asio PRIVATE posthorn_flags fmt::fmt)
target_precompile_headers(posthorn_pch_asio PRIVATE <cmake/pch_asio.h>)
set(SANS_IO_FOLDERS base config message search health smtp/proto imap/proto pop3/proto managesieve/proto auth/proto
    web/proto scripts sieve sieve/language sieve/extensions sieve/libsieve setup)

function(posthorn_pch target)
  set(kind asio)
  if("${ARGV1}" IN_LIST SANS_IO_FOLDERS)
    set(kind std)
  endif()
  target_link_libraries(${target} PRIVATE posthorn_flags fmt::fmt)
  target_precompile_headers(${target} REUSE_FROM posthorn_pch_${kind})
endfunction()

# Reads src/LAYERS: every folder becomes posthorn_<folder with _ for />, linking what its line names.
function(posthorn_layers file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS ${file} lines REGEX "^[a-z]")
  set(all "")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^([a-z0-9/]+): *(.*)$" _ "${line}")
    set(folder ${CMAKE_MATCH_1})
    string(REPLACE " " ";" uses "${CMAKE_MATCH_2}")
    if("${uses}" STREQUAL "*")
      set(uses ${all})
    endif()
    string(REPLACE "/" "_" name ${folder})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cc)
    list(FILTER sources EXCLUDE REGEX "/app/main\\.cc$")
    if(sources)
      set(scope PUBLIC)
      add_library(posthorn_${name} STATIC ${sources})
      posthorn_pch(posthorn_${name} ${folder})
    else()
      set(scope INTERFACE)
      add_library(posthorn_${name} INTERFACE)
    endif()
    foreach(used IN LISTS uses)
      string(REPLACE "/" "_" used_name ${used})
      if(NOT TARGET posthorn_${used_name})
        message(FATAL_ERROR "src/LAYERS: ${folder} names ${used}, which does not stand above it")
      endif()
      target_link_libraries(posthorn_${name} ${scope} posthorn_${used_name})
    endforeach()
    if(THIRD_PARTY_${name})
      target_link_libraries(posthorn_${name} ${scope} ${THIRD_PARTY_${name}})
    endif()
    list(APPEND all ${folder})
  endforeach()
  set(POSTHORN_FOLDERS ${all} PARENT_SCOPE)
endfunction()

# posthorn_embed(FOLDER FUNCTION HEADER FILE...): the folder's library gets the texts of the files, each by its name.
function(posthorn_embed folder function header)
  set(files ${ARGN})
  list(TRANSFORM files PREPEND ${CMAKE_SOURCE_DIR}/)
  string(REPLACE ";" "|" names "${files}")
  set(output ${CMAKE_BINARY_DIR}/embedded/${folder}_${function}.cc)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DNAMESPACE=${folder} -DFUNCTION=${function} -DHEADER=${header} "-DFILES=${names}"
            -P ${CMAKE_SOURCE_DIR}/scripts/cmake/Embed.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/scripts/cmake/Embed.cmake VERBATIM)
  target_sources(posthorn_${folder} PRIVATE ${output})
endfunction()
