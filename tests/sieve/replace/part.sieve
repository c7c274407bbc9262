require ["replace", "mime", "foreverypart", "fileinto", "mailbox"];
foreverypart { if header :mime :subtype "content-type" "x-bad" { replace "it was removed"; } }
fileinto :create "Replaced";
