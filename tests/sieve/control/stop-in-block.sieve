require "fileinto";
if true { if true { fileinto "INBOX.a"; stop; } fileinto "INBOX.b"; }
keep;
