// One line of dovecot.conf, as Dovecot's own reader takes it (2.3; 2.4 reads lines the same way):
//
//   # a comment                    also behind a value, but not within quotes
//   name = value                   the blanks around it are not part of it
//   name = "a \"value\" "          quotes keep blanks, # and $; \ takes the next character as it is
//   name = <path                   the content of a file
//   name = some $other more        another setting's value, where it is a word of its own
//   type name {                    a block; the name may be quoted; nothing may follow the {
//   }
//   !include pattern, !include_try pattern
//   a \                            goes on in the next line
//
// Sans-I/O. Nothing is opened or expanded here.
#pragma once

#include <string>
#include <string_view>

namespace posthorn::takeover {

struct DovecotLine {
  enum class Kind { nothing, goes_on, setting, block, block_end, include, include_try, fault };
  enum class Value { text, quoted, file };
  Kind kind = Kind::nothing;
  Value form = Value::text;
  std::string name;   // of a setting, or a block's type
  std::string value;  // or a block's name, what to include, what is wrong
};

// pending: what lines before it began with a \ at their end; it is taken, or added to.
DovecotLine read_dovecot_line(std::string_view line, std::string& pending);

}  // namespace posthorn::takeover
