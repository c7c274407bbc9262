require "ihave";
if ihave "comparator-i;octet" { keep; } else { discard; }
