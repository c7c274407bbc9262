require ["include", "fileinto"];
include :optional "no_such_script";
fileinto "INBOX";
