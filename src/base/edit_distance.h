// How far two words are from each other, for faults that name the word that was meant.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

namespace posthorn {

// Letters to be put in, taken out, changed or swapped with their neighbour. Takes time and memory
// in the product of the lengths: callers bound them.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known name that is most like it; empty: none is.
std::string nearest(std::string_view key, const std::set<std::string>& known);

}  // namespace posthorn
