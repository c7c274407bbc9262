require ["include", "fileinto", "variables"];
global ["shared", "back"];
set "shared" "value";
include "reads";
if string "${back}" "got value" { fileinto "INBOX"; } else { discard; }
