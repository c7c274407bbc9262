require "ihave";
if ihave "vnd.example.nothing" { nothing_such "x"; keep; } else { discard; }
