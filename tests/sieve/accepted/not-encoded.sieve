require ["fileinto", "variables"];
set "x" "@";
if string :contains "@" "${hex:40}" { fileinto "INBOX"; }
