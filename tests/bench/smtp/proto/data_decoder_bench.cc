// How fast the text after DATA is decoded: every byte of every message passes it.
#include <benchmark/benchmark.h>
#include <string>

#include "smtp/proto/data_decoder.h"

namespace {

void decode(benchmark::State& state) {
  std::string text;
  while (text.size() < 1U << 20U)
    text += "A line of mail as it is, seventy-some bytes long, now and then a dot in it.\r\n..\r\n";
  text += ".\r\n";
  for (auto _ : state) {
    posthorn::smtp::DataDecoder decoder(1U << 20U);
    std::string_view input = text;
    std::size_t out = 0;
    decoder.feed(input, [&](std::string_view piece) { out += piece.size(); });
    benchmark::DoNotOptimize(out);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(decode);

}  // namespace
