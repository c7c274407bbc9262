require ["include", "fileinto", "variables"];
set "x" "sends";
include "${x}";
