// Dialogs with secrets in every place where clients put them, and in many where they should not: a
// stream of choices (random numbers, a fuzzer's input) decides which, in which pieces, and from
// where on somebody watches. Every secret holds a '~', and nothing else does.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tap/dialog.h"

namespace posthorn::test {

class SecretDialog {
 public:
  // choose(n): a number below n.
  explicit SecretDialog(std::function<std::size_t(std::size_t)> choose)
      : choose_(std::move(choose)) {}

  // All that was shown, a line a line.
  std::string run() {
    protocol_ = static_cast<tap::Protocol>(choose_(4));
    const std::size_t steps = 1 + choose_(12);
    for (std::size_t i = 0; i < steps; ++i) {
      if (protocol_ == tap::Protocol::smtp)
        smtp();
      else if (protocol_ == tap::Protocol::imap)
        imap();
      else if (protocol_ == tap::Protocol::pop3)
        pop3();
      else
        managesieve();
    }
    return watch();
  }

 private:
  struct Event {
    tap::From from = tap::From::client;
    std::string bytes;
    bool is_login = false;
  };

  void client(const std::string& bytes) { add(tap::From::client, bytes); }
  void server(const std::string& bytes) { add(tap::From::server, bytes); }
  void add(tap::From from, std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t n = choose_(3) == 0 ? 1 + choose_(bytes.size()) : bytes.size();
      events_.push_back({from, std::string(bytes.substr(0, n))});
      bytes.remove_prefix(n);
    }
  }
  void login() { events_.push_back({.from = tap::From::server, .bytes = {}, .is_login = true}); }
  // As base64 would be: no blank, nothing that could be a command.
  std::string blob() { return std::string("AH~").append(choose_(20), 'b'); }
  std::string password() {
    static constexpr std::string_view kSome[] = {"~",      "se~cret",  "x LIST ~",
                                                 "MAIL ~", "a NOOP ~", "b SELECT ~ {3}"};
    return std::string(kSome[choose_(std::size(kSome))]);
  }
  std::string noise() {
    static constexpr std::string_view kSome[] = {"",     "?",     "a",    "NOOP",  "a b c", "* OK",
                                                 "+ go", "A B C", "DONE", "\xFF ", " x",    "a1"};
    return std::string(kSome[choose_(std::size(kSome))]) + "\r\n";
  }

  void smtp() {
    static constexpr std::string_view kEnds[] = {"235 ok\r\n", "535 no\r\n", "501 bad\r\n",
                                                 "454 later\r\n"};
    const std::string end(kEnds[choose_(4)]);
    if (end.starts_with("235")) login();
    switch (choose_(11)) {
      case 0:
        client("EHLO client.test\r\n");
        server("250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 CHUNKING\r\n");
        break;
      case 1:
        client("auth PLAIN " + blob() + "\r\n");
        server(end);
        break;
      case 2:
        client((choose_(2) == 0 ? "NOOP\r\nAUTH PLAIN\r\n" : "AUTH PLAIN\r\n"));
        if (events_.size() > 1 && choose_(2) == 0) server("250 ok\r\n");
        server("334 \r\n");
        client(blob() + "\r\n");
        server(end);
        break;
      case 3:
        client("AUTH LOGIN\r\n");
        server("334 VXNlcm5hbWU6\r\n");
        client("dXNlcg==\r\n");
        server("334 UGFzc3dvcmQ6\r\n");
        client(blob() + "\r\n");
        server(end);
        break;
      case 4:  // ahead of every reply
        client("AUTH LOGIN\r\ndXNlcg==\r\n" + blob() + "\r\n");
        server("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" + end);
        break;
      case 5:  // refused, and said in spite of it
        client("AUTH PLAIN\r\n");
        server("538 5.7.11 Encryption is required\r\n");
        client(blob() + "\r\n");
        server("500 what\r\n");
        break;
      case 6: {  // in the wrong words
        static constexpr std::string_view kWrong[] = {" AUTH PLAIN ", "AUTHPLAIN ", "AUTH ",
                                                      "PASS ",        "LOGIN me ",  "a LOGIN u "};
        client(std::string(kWrong[choose_(std::size(kWrong))]) + blob() + "\r\n");
        server("500 what\r\n");
        break;
      }
      case 7:
        client("MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
        if (choose_(3) == 0) {
          server("250 ok\r\n550 no\r\n503 no\r\n");
          break;
        }
        server("250 ok\r\n250 ok\r\n354 go\r\n");
        client("Subject: x\r\n\r\nAUTH\r\n..\r\nlast\r\n.\r\n");
        server("250 ok\r\n");
        break;
      case 8:
        client("BDAT 7\r\nAUTH x\n");
        server("250 ok\r\n");
        break;
      case 9:
        client(noise());
        server("500 what\r\n");
        break;
      default:
        client("AUTH " + std::string(choose_(9000) + 60'000 * choose_(2), 'x') + blob() + "\r\n");
        server("500 long\r\n");
    }
  }

  void imap() {
    const std::string tag = std::string(1, static_cast<char>('a' + choose_(3)));
    static constexpr std::string_view kEnds[] = {" OK done\r\n", " NO wrong\r\n", " BAD what\r\n"};
    const std::string end = tag + std::string(kEnds[choose_(3)]);
    const std::string secret = password();
    const std::string size = std::to_string(secret.size());
    const auto finish = [&] {
      if (end == tag + " OK done\r\n") login();
      server(end);
    };
    switch (choose_(11)) {
      case 0:
        client(tag + " login me \"" + secret + "\"\r\n");
        finish();
        break;
      case 1:
        client(tag + " LOGIN {2}\r\n");
        server("+ OK\r\n");
        client("me {" + size + "}\r\n");
        server("+ OK\r\n");
        client(secret + "\r\n");
        finish();
        break;
      case 2:
        client(tag + " LOGIN {2+}\r\nme {" + size + "+}\r\n" + secret + "\r\n");
        finish();
        break;
      case 3:  // a literal that does not wait for its "+"
        client(tag + " LOGIN me {" + size + "}\r\n" + secret + "\r\n");
        server("+ OK\r\n");
        finish();
        break;
      case 4:
        client(tag + " AUTHENTICATE PLAIN " + blob() + "\r\n");
        finish();
        break;
      case 5:
        client((choose_(2) == 0 ? "n NOOP\r\n" : "") + tag + " AUTHENTICATE LOGIN\r\n");
        server("n OK noop\r\n+ VXNlcm5hbWU6\r\n");
        client("dXNlcg==\r\n");
        server("+ UGFzc3dvcmQ6\r\n");
        client(blob() + "\r\n");
        finish();
        break;
      case 6:  // refused, and said in spite of it
        client(tag + " AUTHENTICATE PLAIN\r\n");
        server(tag + " NO [PRIVACYREQUIRED] STARTTLS\r\n");
        client(blob() + "\r\n");
        server("* BAD what\r\n");
        break;
      case 7: {
        static constexpr std::string_view kWrong[] = {"LOGIN me ",       "~ ", "x AUTH PLAIN ",
                                                      "a AUTHENTICATE ", "",   "a PASS "};
        client(std::string(kWrong[choose_(std::size(kWrong))]) + blob() + " x\r\n");
        server("~" + std::string(" BAD what\r\n"));  // the tag comes back
        break;
      }
      case 8:
        client(tag + " APPEND INBOX {8+}\r\nx\r\nyy\r\nz\r\n");
        server("* 1 FETCH (BODY[] {6}\r\na LOGI FLAGS ())\r\n" + tag + " OK done\r\n");
        break;
      case 9:
        client(noise());
        server("* BAD what\r\n");
        break;
      default:
        client(tag + " IDLE\r\n");
        server("+ idling\r\n* 3 EXISTS\r\n");
        client("DONE\r\n");
        server(tag + " OK done\r\n");
    }
  }

  void pop3() {
    const bool is_good = choose_(2) == 0;
    const std::string end = is_good ? "+OK in\r\n" : "-ERR no\r\n";
    switch (choose_(6)) {
      case 0:
        client("USER me\r\n");
        server("+OK\r\n");
        client("pass " + password() + "\r\n");
        break;
      case 1:
        client("APOP me " + blob() + "\r\n");
        break;
      case 2:
        client("AUTH PLAIN\r\n");
        server("+ \r\n");
        client(blob() + "\r\n");
        break;
      case 3:
        client("AUTH PLAIN " + blob() + "\r\n");
        break;
      case 4:
        client("USER me\r\nPASS " + blob() + "\r\nSTAT\r\n");
        server("+OK\r\n");
        if (is_good) login();
        server(end + end);
        return;
      default:
        client("PASSWORD " + blob() + "\r\n");
        server("-ERR what\r\n");
        return;
    }
    if (is_good) login();
    server(end);
  }

  void managesieve() {
    const bool is_good = choose_(2) == 0;
    const std::string end = is_good ? "OK \"in\"\r\n" : "NO {3}\r\nno!\r\n";
    const std::string secret = blob();
    const std::string literal = "{" + std::to_string(secret.size()) + "+}\r\n" + secret;
    switch (choose_(8)) {
      case 0:
        client("authenticate \"PLAIN\" \"" + secret + "\"\r\n");
        break;
      case 1:
        client("AUTHENTICATE \"PLAIN\" " + literal + "\r\n");
        break;
      case 2:
        client("AUTHENTICATE {5+}\r\nPLAIN " + literal + "\r\n");
        break;
      case 3:
        client((choose_(2) == 0 ? "NOOP\r\n" : "") + std::string("AUTHENTICATE \"LOGIN\"\r\n"));
        if (choose_(2) == 0) server("OK \"noop\"\r\n");
        server("\"VXNlcm5hbWU6\"\r\n");
        client("\"dXNlcg==\"\r\n");
        server("\"UGFzc3dvcmQ6\"\r\n");
        client(choose_(2) == 0 ? literal + "\r\n" : "\"" + secret + "\"\r\n");
        break;
      case 4: {
        static constexpr std::string_view kWrong[] = {"LOGIN me ",   "a AUTHENTICATE ", "NOOP ",
                                                      "AUTH PLAIN ", "\"PLAIN\" ",      ""};
        client(std::string(kWrong[choose_(std::size(kWrong))]) +
               (choose_(2) == 0 ? literal : secret) + "\r\n");
        server(choose_(2) == 0 ? "NO \"what\"\r\n" : "OK (TAG \"" + secret + "\") \"Done\"\r\n");
        return;
      }
      case 5:
        client("PUTSCRIPT \"a\" {9+}\r\nOK\r\nkeep;\r\n");
        server("OK\r\n");
        return;
      case 6:
        client("GETSCRIPT \"a\"\r\n");
        server("{9}\r\nOK\r\nkeep;\r\nOK\r\n");
        return;
      default:
        client(noise());
        server("NO \"what\"\r\n");
        return;
    }
    if (is_good) login();
    server(end);
  }

  std::string watch() {
    const std::size_t from = choose_(2) == 0 ? 0 : choose_(events_.size());
    tap::Dialog dialog(protocol_, from == 0 ? tap::Begin::at_start : tap::Begin::in_the_middle);
    std::vector<tap::Line> lines;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].is_login)
        dialog.set_logged_in();  // whoever watches later is told so, too
      else if (i >= from)
        dialog.feed(events_[i].from, events_[i].bytes, lines);
    }
    std::string shown;
    for (const tap::Line& line : lines) shown += line.text + "\n";
    return shown;
  }

  std::function<std::size_t(std::size_t)> choose_;
  tap::Protocol protocol_ = tap::Protocol::smtp;
  std::vector<Event> events_;
};

}  // namespace posthorn::test
