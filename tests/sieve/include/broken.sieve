require ["include", "fileinto"];
include "faulty";
