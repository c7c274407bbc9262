// What FETCH costs of a message whose record is there, beside copying the text that it gives; and
// what making the record costs.
#include <benchmark/benchmark.h>
#include <string>

#include "imap/proto/response.h"
#include "search/record.h"

namespace {

using namespace posthorn;

const std::string kText =
    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nFrom: Ann Example <ann@sender.example.org>\r\n"
    "Reply-To: List <list@lists.example.org>\r\nTo: Bob <bob@receiver.example.org>, "
    "carol@receiver.example.org\r\nSubject: The meeting of next week\r\n"
    "Message-ID: <20261130.1234567@sender.example.org>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=\"----=_Part_1234\"\r\n\r\n"
    "------=_Part_1234\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nText\r\n"
    "------=_Part_1234\r\nContent-Type: application/pdf; name=\"invoice.pdf\"\r\n"
    "Content-Disposition: attachment; filename=\"invoice.pdf\"\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n------=_Part_1234--\r\n";

void make(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(search::make_record(kText));
  state.counters["bytes"] = static_cast<double>(search::make_record(kText).size());
}
BENCHMARK(make);

std::string envelope(std::string_view record) {
  std::string out;
  imap::append_envelope(out, *search::read_record(record, search::Half::header)->header);
  return out;
}
std::string structure(std::string_view record) {
  std::string out;
  imap::append_structure(out, *search::read_record(record, search::Half::structure)->structure,
                         imap::Extended::yes);
  return out;
}

template <std::string (*format)(std::string_view)>
void from_record(benchmark::State& state) {
  const std::string record = search::make_record(kText);
  for (auto _ : state) benchmark::DoNotOptimize(format(record));
  state.counters["bytes"] = static_cast<double>(format(record).size());
}
BENCHMARK(from_record<envelope>);
BENCHMARK(from_record<structure>);

template <std::string (*format)(std::string_view)>
void copied(benchmark::State& state) {
  const std::string text = format(search::make_record(kText));
  for (auto _ : state) {
    std::string out;
    out += text;
    benchmark::DoNotOptimize(out);
  }
}
BENCHMARK(copied<envelope>);

}  // namespace
