require ["include", "fileinto"];
include "sends";
