// What a server must not be quoted with: it may say again what it was told at the login, and its
// words stand in the log, the queue, the trail, and in notices to senders.
#pragma once

#include <string>
#include <vector>

namespace posthorn::deliver {

class Secrets {
 public:
  // Without a password there are none.
  Secrets(const std::string& user, const std::string& password);
  // Each form of the password that went over the line becomes "[hidden]".
  void hide_in(std::string& text) const;

 private:
  std::vector<std::string> forms_;
};

}  // namespace posthorn::deliver
