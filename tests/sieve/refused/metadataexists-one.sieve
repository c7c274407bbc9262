require ["mboxmetadata", "servermetadata"];
if metadataexists "INBOX" { keep; }
