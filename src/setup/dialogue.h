// The dialogue of `posthorn init` on a terminal, as values: which question comes next, and what an
// answer comes to. It prints and reads nothing, so a test can hold the whole conversation; nothing
// is written anywhere before the last answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "setup/answers.h"

namespace posthorn::setup {

struct Question {
  std::string about;  // what it is for, a paragraph; empty: said already
  std::string words;  // "Host name"
  std::string
      proposal;  // what an empty answer means; empty: there must be an answer, or none is one
  enum class Echo { shown, hidden } echo = Echo::shown;
};

struct Remark {
  bool is_refusal = false;  // the same question comes again
  std::string text;         // empty: nothing need be said
};

// What is known before the first question.
struct Known {
  Answers given;      // by flags, or by an instance that is there: not asked where it is not empty
  Answers proposals;  // offered
  std::string recipient_delimiter = "+";
  // What is not asked: there are accounts, or they are PostgreSQL's; there is a relay, or ACME.
  bool is_account_settled = false;
  bool is_relay_settled = false;
  bool is_acme_settled = false;
  std::string random;  // kMadePasswordBytes of them, for a password that is made
};

class Dialogue {
 public:
  explicit Dialogue(Known known);
  // nullopt: all is answered.
  std::optional<Question> next();
  Remark take(std::string_view answer);
  // Terms come next, and only the directory itself knows them: it is asked, and says so here.
  bool wants_terms() const { return asks_terms() && terms_.empty(); }
  void tell_terms(std::string about) { terms_ = std::move(about); }
  const Answers& answers() const { return answers_; }

 private:
  struct Row;
  static const std::vector<Row>& rows();
  std::string first_domain() const {
    return answers_.domains.empty() ? "" : answers_.domains.front();
  }

  bool asks_hostname() const;
  Question ask_hostname() const;
  Remark take_hostname(std::string_view answer);
  bool asks_domains() const;
  Question ask_domains() const;
  Remark take_domains(std::string_view answer);
  bool asks_account() const;
  Question ask_account() const;
  Remark take_account(std::string_view answer);
  bool asks_password() const;
  Question ask_password() const;
  Remark take_password(std::string_view answer);
  bool asks_again() const;
  Question ask_again() const;
  Remark take_again(std::string_view answer);
  bool asks_relay() const;
  Question ask_relay() const;
  Remark take_relay(std::string_view answer);
  bool asks_relay_login() const;
  Question ask_relay_login() const;
  Remark take_relay_login(std::string_view answer);
  bool asks_relay_password() const;
  Question ask_relay_password() const;
  Remark take_relay_password(std::string_view answer);
  bool asks_directory() const;
  Question ask_directory() const;
  Remark take_directory(std::string_view answer);
  bool asks_email() const;
  Question ask_email() const;
  Remark take_email(std::string_view answer);
  bool asks_terms() const;
  Question ask_terms() const;
  Remark take_terms(std::string_view answer);

  Known known_;
  Answers answers_;
  std::size_t at_ = 0;       // of rows()
  bool is_refused_ = false;  // the last answer: its question comes again
  std::string password_;     // typed once
  std::string terms_;        // what is said of them
};

}  // namespace posthorn::setup
