require ["include", "fileinto", "variables"];
set "global.shared" "value";
include "reads_namespace";
if string "${global.back}" "got value" { fileinto "INBOX"; } else { discard; }
