require "servermetadata";
if metadata "INBOX" "/private/comment" "x" { keep; }
