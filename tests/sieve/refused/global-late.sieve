require ["include", "fileinto", "variables"];
set "x" "1";
global "x";
