// Where the tests' own files lie: transcripts, scripts, odd mails.
#pragma once

#include <filesystem>

namespace posthorn::test {

std::filesystem::path tests_folder();

}  // namespace posthorn::test
