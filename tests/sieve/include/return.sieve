require ["include", "fileinto"];
include "returns";
fileinto "INBOX";
