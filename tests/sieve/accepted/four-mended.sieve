require "fileinto";
fileinto "a";
if header :is "subject" "a" { keep; }
redirect "nobody@example.org";
