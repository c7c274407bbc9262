require ["include", "fileinto"];
include "sends";
fileinto "INBOX";
