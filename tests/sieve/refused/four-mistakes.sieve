require "fileinto";
fileino "a";
fileinto 1;
if header :nonsense "subject" "a" { keep; }
redirect "nobody at all";
