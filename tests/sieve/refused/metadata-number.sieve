require ["mboxmetadata", "servermetadata"];
if metadata 1 "/private/comment" "x" { keep; }
