require ["include", "fileinto"];
include "no_such_script";
fileinto "INBOX";
