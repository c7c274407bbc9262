require ["include", "fileinto", "variables"];
set "own" "outer";
include "sets";
if string "${own}" "outer" { fileinto "INBOX"; } else { discard; }
