require ["mboxmetadata", "servermetadata"];
if servermetadata "/private/x" { keep; }
