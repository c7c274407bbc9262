// How fast a command's sequence set is read: clients send sets of thousands of ranges.
#include <benchmark/benchmark.h>
#include <string>

#include "imap/proto/parser.h"

namespace {

void sequence_set(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < state.range(0); ++i)
    text += (i == 0 ? "" : ",") + std::to_string(3 * i + 1) + ":" + std::to_string(3 * i + 2);
  for (auto _ : state) {
    posthorn::imap::Parser parser(text);
    const auto set = parser.sequence_set();
    benchmark::DoNotOptimize(set->resolve(1'000'000));
  }
}
BENCHMARK(sequence_set)->Arg(10)->Arg(10'000);

}  // namespace
