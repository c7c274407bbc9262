require ["mboxmetadata", "servermetadata"];
if metadata "INBOX" "/private/comment" { keep; }
