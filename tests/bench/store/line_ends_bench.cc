// How fast a stored file becomes wire text: every BODY[] passes it.
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "store/line_ends.h"

namespace {

void read_wire(benchmark::State& state) {
  std::string name = (std::filesystem::temp_directory_path() / "posthorn-bench-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(name.data());
  const std::filesystem::path path = folder / "message";
  {
    std::ofstream out(path);
    for (int i = 0; i < 100'000; ++i) out << "A line of mail as it is, seventy-some bytes long.\n";
  }
  const auto file = posthorn::Disk::real().open(path, posthorn::OpenMode::read);
  const auto size = std::filesystem::file_size(path);
  std::string piece(65'536, '\0');
  for (auto _ : state) {
    posthorn::store::CrlfReader reader(*file, 0, size);
    while (reader.read(piece).value() > 0) benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(size));
  std::filesystem::remove_all(folder);
}
BENCHMARK(read_wire);

}  // namespace
