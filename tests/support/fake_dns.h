// A DNS server on loopback, UDP and TCP on the same port, with a table of answers and of the ways
// in which real ones fail. Names that are not in the table do not exist; one that is there without
// the type asked for has no data.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"

namespace posthorn::test {

class FakeDns {
 public:
  enum class Fault {
    none,
    servfail,
    refused,
    formerr,
    nxdomain,
    silent,          // takes the question and says nothing
    truncated,       // UDP says TC without records, TCP has them
    truncated_only,  // UDP says TC, TCP hangs up
    cut,             // half of the answer's bytes
    garbage,         // no DNS message
    wrong_id,        // an answer to another question's number, and none to this
    wrong_question,  // an answer to another name
    counts,          // says that there are 65535 records, sends one
    pointer_loop,    // a compressed name that points at itself
    bad_length,      // a record whose length goes beyond the message
    flood,           // TC; over TCP 10 MB of messages
  };

  FakeDns();
  ~FakeDns();
  FakeDns(const FakeDns&) = delete;
  FakeDns& operator=(const FakeDns&) = delete;

  FakeDns& a(const std::string& name, const std::string& address);
  FakeDns& aaaa(const std::string& name, const std::string& address);
  FakeDns& mx(const std::string& name, std::uint16_t preference, const std::string& host);
  FakeDns& cname(const std::string& name, const std::string& target);
  FakeDns& txt(const std::string& name, const std::vector<std::string>& strings);
  FakeDns& ptr(const std::string& name, const std::string& target);
  FakeDns& tlsa(const std::string& name, const std::string& data);  // its bytes, the numbers too
  FakeDns& srv(const std::string& name, std::uint16_t port, const std::string& target);
  FakeDns& caa(const std::string& name, const std::string& tag, const std::string& value);
  FakeDns& raw(const std::string& name, std::uint16_t type, const std::string& data);
  // Its answers are marked as validated where the question asks for that.
  FakeDns& validated(const std::string& name);
  // type: "MX", "A", …; empty: every question about the name.
  FakeDns& fault(const std::string& name, Fault fault, const std::string& type = {});

  std::string server() const;  // for Resolver::make
  std::size_t questions() const { return questions_; }
  std::size_t tcp_questions() const { return tcp_questions_; }
  std::vector<std::string> asked() const;  // "MX example.org", in order

 private:
  struct Record {
    std::uint16_t type;
    std::string data;    // RDATA
    std::string target;  // of a CNAME
  };
  FakeDns& add(const std::string& name, Record record);
  void run();
  void serve_tcp(int fd);
  bool answer_tcp(int fd, const std::string& question);
  enum class Carrier { udp, tcp };
  std::string answer(std::string_view question, Carrier carrier, Fault* fault);

  File udp_, tcp_, stop_read_, stop_write_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<Record>> records_;
  std::map<std::string, Fault> faults_;  // "MX name" or " name"
  std::set<std::string> validated_;
  std::vector<std::string> asked_;
  std::atomic<std::size_t> questions_{0}, tcp_questions_{0};
  std::thread thread_;
};

}  // namespace posthorn::test
