#include "tests/support/fake_spamd.h"

#include <charconv>

namespace posthorn::test {

FakeSpamd::FakeSpamd(Answer answer, Path unix_path)
    : answer_(std::move(answer)),
      server_([this](Wire& wire, std::size_t) { serve(wire); },
              FakeServer::Where{.unix_path = std::move(unix_path)}) {}

void FakeSpamd::serve(Wire& wire) {
  {
    const std::lock_guard lock(mutex_);
    open_max_ = std::max(open_max_.load(), server_.open());
  }
  Request request;
  std::size_t length = 0;
  while (true) {
    const auto line = wire.line();
    if (!line) return;
    if (*line == "\r\n") break;
    request.head += *line;
    if (line->starts_with("Content-length: "))
      std::from_chars(line->data() + 16, line->data() + line->size(), length);
  }
  request.body = wire.bytes(length);
  if (request.body.size() != length) return;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  answer_(wire, request);
}

std::string FakeSpamd::reply(std::string_view verdict, std::string_view headers) {
  std::string text = "SPAMD/1.1 0 EX_OK\r\nContent-length: " + std::to_string(headers.size());
  text += "\r\nSpam: ";
  text += verdict;
  text += "\r\n\r\n";
  text += headers;
  return text;
}

std::vector<FakeSpamd::Request> FakeSpamd::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

}  // namespace posthorn::test
