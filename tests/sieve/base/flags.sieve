require ["imap4flags", "fileinto"];
addflag "\\Seen";
if exists "subject" { addflag "Work"; }
fileinto "a";
