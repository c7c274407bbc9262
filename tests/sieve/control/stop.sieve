require "fileinto";
fileinto "INBOX.a";
stop;
fileinto "INBOX.b";
