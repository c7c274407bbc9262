require ["include", "fileinto"];
include "stops";
fileinto "INBOX";
