require "include";
if true { return; }
redirect "never@example.org";
