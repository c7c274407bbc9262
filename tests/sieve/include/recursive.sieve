require ["include", "fileinto"];
include "itself";
