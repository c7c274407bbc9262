// Dialog: what may be shown of one connection's bytes while they pass: lines with their direction,
// and no secret. What a client says is shown only if it is a command that is known to carry none;
// arguments of AUTH, AUTHENTICATE, LOGIN, PASS and APOP, the lines and literals behind them and all
// that is no command are left out, so a password cannot slip through by being sent in the wrong
// place. Messages are told apart from commands and can be left out too.
//
// Fed in the order the bytes pass, in pieces of any size. Begun in the middle of a connection, it
// shows of the client's side nothing until it is in step: SMTP from the next final reply, IMAP and
// POP3 and ManageSieve from the login. Sans-I/O. RFC 5321, 4954, 3030; RFC 3501, 7888; RFC 1939,
// 5034; RFC 5804.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace posthorn::tap {

enum class Protocol { smtp, imap, pop3, managesieve };  // smtp: also submission and LMTP
enum class From { client, server };
enum class Begin { at_start, in_the_middle };

struct Line {
  enum class Kind {
    text,
    body,    // a line of a message: for who asked for bodies
    summary  // "[1234 bytes of message]": for who did not
  };
  From from = From::client;
  Kind kind = Kind::text;
  std::string text;  // printable; no line end
};

class Dialog {
 public:
  Dialog(Protocol protocol, Begin begin) : protocol_(protocol), begin_(begin) {
    if (begin == Begin::in_the_middle) state_ = State::out_of_step;
  }
  // Appends to out.
  void feed(From from, std::string_view bytes, std::vector<Line>& out);
  // The login is done: from here on a client has no secret to tell.
  void set_logged_in() { logged_in_ = true; }

 private:
  enum class State {
    out_of_step,  // hidden until a reply tells where we are
    command,
    awaiting_go,  // DATA, or a literal that waits for "+": what comes ahead of it is held
    body,         // DATA, up to the dot
    counted,      // BDAT's chunk or a literal: so many bytes
    sasl          // hidden up to the server's verdict
  };
  struct Count {  // bytes of a body that pass
    std::uint64_t left = 0;
    std::uint64_t all = 0;
    bool is_hidden = false;
    std::string line;  // the last one, not whole yet
  };

  void take_client(std::string_view bytes, std::vector<Line>& out);
  void take_server(std::string_view bytes, std::vector<Line>& out);
  void client_line(std::string_view line, std::vector<Line>& out);
  void smtp_command(std::string_view line, std::vector<Line>& out);
  void imap_line(std::string_view line, std::vector<Line>& out);
  void pop3_command(std::string_view line, std::vector<Line>& out);
  void managesieve_line(std::string_view line, std::vector<Line>& out);
  void server_line(std::string_view line, std::vector<Line>& out);
  void smtp_reply(std::string_view line, std::vector<Line>& out);
  void imap_response(std::string_view line, std::vector<Line>& out);
  void pop3_response(std::string_view line, std::vector<Line>& out);
  void managesieve_response(std::string_view line, std::vector<Line>& out);
  void go(std::vector<Line>& out);
  void count_body(From from, std::string_view bytes, Count& count, std::vector<Line>& out);
  void end_body(From from, Count& count, std::vector<Line>& out);
  void hide(std::string_view what, std::vector<Line>& out);
  void show(From from, std::string_view line, std::vector<Line>& out);
  void remember_tag(std::string_view tag);

  Protocol protocol_;
  Begin begin_;
  State state_ = State::command;
  bool logged_in_ = false;
  std::string client_, server_;                       // lines that are not whole yet
  bool client_skips_ = false, server_skips_ = false;  // up to the end of an overlong one
  std::string held_;                                  // sent ahead of the "go on"
  Count body_;                                        // of the client
  Count literal_;                                     // of the server
  bool in_server_body_ = false, in_server_list_ = false, server_in_step_ = true;
  bool in_command_ = false;  // IMAP, ManageSieve: behind a literal the command goes on
  bool is_secret_ = false;   // … and is one that is not shown
  std::string sasl_tag_;
  std::deque<std::string> tags_;      // IMAP: of commands that were shown
  std::deque<std::string> commands_;  // POP3: that wait for their reply
};

// Printable on any terminal: control characters, and bytes that are no UTF-8, as \xNN; cut when
// long.
std::string make_printable(std::string_view text);

}  // namespace posthorn::tap
