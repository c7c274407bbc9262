require ["include", "fileinto"];
include "one";
