// A spamd for tests: takes a HEADERS request as the protocol says (its length must be true), then
// does what the test wants with the connection. It keeps what it was asked.
#pragma once

#include <mutex>
#include <vector>

#include "tests/support/fake_server.h"

namespace posthorn::test {

class FakeSpamd {
 public:
  struct Request {
    std::string head;  // the request line and its fields
    std::string body;
  };
  // answer is called after the whole request was read.
  using Answer = std::function<void(Wire& wire, const Request& request)>;
  explicit FakeSpamd(Answer answer, Path unix_path = {});

  // "SPAMD/1.1 0 EX_OK" with the header block and its true length.
  static std::string reply(std::string_view verdict, std::string_view headers);

  std::vector<Request> requests() const;
  std::size_t connections() const { return server_.connections(); }
  std::size_t open() const { return server_.open(); }
  std::size_t open_max() const { return open_max_; }  // at the same time
  net::Address address() const { return server_.address(); }
  void stop() { server_.stop(); }

 private:
  void serve(Wire& wire);

  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::atomic<std::size_t> open_max_{0};
  FakeServer server_;
};

}  // namespace posthorn::test
