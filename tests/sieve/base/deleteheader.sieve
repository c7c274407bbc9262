require ["editheader", "fileinto"];
deleteheader "subject";
if exists "subject" { fileinto "still"; } else { fileinto "gone"; }
