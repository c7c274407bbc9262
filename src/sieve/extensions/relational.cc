// relational (RFC 5231): `:value` compares by order, `:count` how many values there are.
#include "sieve/extensions/table.h"
#include "sieve/language/run.h"

namespace posthorn::sieve::extension {
namespace {

// Section 4.1: by the order of the comparator.
bool holds(Run& /*run*/, const Matching& matching, const MatchRow::Question& asked) {
  const int order = matching.comparator->compare(asked.folded, asked.folded_key);
  switch (matching.relation) {
    case Relation::gt:
      return order > 0;
    case Relation::ge:
      return order >= 0;
    case Relation::lt:
      return order < 0;
    case Relation::le:
      return order <= 0;
    case Relation::eq:
      return order == 0;
    case Relation::ne:
      return order != 0;
    case Relation::none:
      break;
  }
  return false;
}

}  // namespace

Extension relational() {
  return {.name = "relational",
          .standard = "RFC 5231",
          .match_types = {{.name = "value", .holds = holds, .relations = MatchRow::Relations::yes},
                          {.name = "count",
                           .holds = holds,
                           .relations = MatchRow::Relations::yes,
                           .counts = MatchRow::Counts::yes}}};
}

}  // namespace posthorn::sieve::extension
