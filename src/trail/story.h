// Story: what the trail holds of a mail, or of a session in which none was taken, as sentences in
// order of time for a person, and as values for a program. Records in, text out; it has no secret
// and nothing of a mail's text, as the records have none.
//
// Edge talks to strangers and parses what they send: its lines bear its name, and where it
// contradicts the queue, that is told and the queue is believed.
#pragma once

#include <string>
#include <vector>

#include "trail/book.h"

namespace posthorn::trail {

enum class Ending : std::uint8_t {
  unknown,    // the trail does not tell
  refused,    // nothing was taken
  waiting,    // in the queue
  gone,       // in the queue as far as the trail tells, but not there any more
  held,       // in the queue, by command
  delivered,  // all of it
  partly,     // some have it, others were refused
  failed,     // nobody has it
  discarded,  // thrown away: as spam, or by a script
  deleted,    // by command
  damaged     // in the queue's corrupt/
};
std::string_view to_string(Ending ending);

// A sentence, of one record or of several that say the same.
struct Line {
  WallTime at{}, until{};  // of the first and the last of them
  std::size_t count = 1;
  std::string text;
  bool is_end = false;  // what became of the mail
  Record record;        // the last of them
};

struct Story {
  std::string queue_id;  // empty: a session
  std::string session;
  std::string sender;                   // empty: the null sender, or not known
  std::vector<std::string> named;       // as the sender wrote them, where that is not where it went
  std::vector<std::string> recipients;  // where it went
  std::size_t recipients_count = 0;     // of all of them, where not all are listed
  std::string message_id;
  bool is_edges_word = false;  // nobody but edge says from whom and to whom
  Ending ending = Ending::unknown;
  WallTime at{};  // of the first record
  std::string parent;
  std::vector<std::string> children;
  std::vector<Line> lines;
  bool is_cut = false;
};

Story tell_story(std::string_view queue_id, const Life& life);
// By what the trail tells it lies in the queue: only the queue knows whether it still does. Not of
// what is cut, whose end may not be among what is shown.
bool is_in_queue(const Story& story);
// "4XYZ, from x@far.test to sales@example.org (alice@example.org): delivered"
std::string format_title(const Story& story);
// All of it, and of its children what became of them. Ends with a line end, has no other control.
std::string format_story(const Story& story, const std::vector<Story>& children);
// One line for a list of several, with its line end.
std::string format_entry(const Story& story);

}  // namespace posthorn::trail
