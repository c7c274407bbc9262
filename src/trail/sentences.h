// Sentences: one for each event that the trail keeps, which makes a plain sentence of a record.
// Whichever detail is missing, it is a sentence all the same.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "trail/record.h"
#include "trail/words.h"

namespace posthorn::trail {

enum class Weight : std::uint8_t {
  detail,
  end,  // what became of the mail: told of its children, too
};
// Attempts repeat themselves: what they have alike is told once, with how often and until when.
enum class Repeats : std::uint8_t { no, yes };

struct Sentence {
  std::string_view event;
  std::string (*say)(const Words&);  // without its full stop
  Weight weight = Weight::detail;
  Repeats repeats = Repeats::no;
};

// Of relay=: this server's own store. Hosts may be called "localhost" or "local-relay.example".
bool is_store(std::string_view relay);

// Of what came in, and of what was made of it.
std::span<const Sentence> arrival_sentences();
std::span<const Sentence> delivery_sentences();
const Sentence* find_sentence(std::string_view event);  // nullptr: none

}  // namespace posthorn::trail
