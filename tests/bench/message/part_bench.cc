// How fast a message's MIME tree is found: a letter, and one with a large attachment.
#include <benchmark/benchmark.h>
#include <string>

#include "message/part.h"

namespace {

std::string letter(std::size_t attachment) {
  std::string text =
      "From: ann@example.org\r\nTo: bob@example.org\r\nSubject: a letter\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
      "Hello.\r\n--b\r\nContent-Type: application/octet-stream\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n";
  while (text.size() < attachment) text += std::string(76, 'A') + "\r\n";
  return text + "--b--\r\n";
}

void parse_parts(benchmark::State& state) {
  const std::string text = letter(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(posthorn::message::parse_parts(text));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(parse_parts)->Arg(2'000)->Arg(10'000'000);

void decode_base64(benchmark::State& state) {
  const std::string text = letter(1'000'000);
  for (auto _ : state) benchmark::DoNotOptimize(posthorn::message::decode_transfer(text, "base64"));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}
BENCHMARK(decode_base64);

}  // namespace
