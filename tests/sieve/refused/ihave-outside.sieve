require "ihave";
if ihave "vnd.example.nothing" { keep; }
nothing_such "x";
